#!/usr/bin/python3
"""The key format of docs/formats/key.md a second time, from the standard library alone, and the test that both agree.

    key_vectors.py KEY_VECTORS_PROGRAM KEY_MD    the test: exit 0 when all agree
    key_vectors.py --print                       a few vectors, for KEY_MD

Python makes vectors and the C program checks them; the C program mints keys and Python checks them; the vectors that the
specification prints are checked by both.
"""
import hashlib
import hmac
import random
import re
import subprocess
import sys
import tempfile
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHAPE = re.compile(r"([a-z][a-z0-9]{1,15})_([a-z0-9]{1,8})_([0-9A-Za-z]{8})([0-9A-Za-z]{27})([0-9A-Za-z]{6})")
M64 = 2**64 - 1


def base62(value, width):
    digits = ""
    for _ in range(width):
        value, digit = divmod(value, 62)
        digits = ALPHABET[digit] + digits
    assert value == 0
    return digits


def unbase62(digits):
    value = 0
    for digit in digits:
        value = value * 62 + ALPHABET.index(digit)
    return value


def siphash_2_4(key, message):
    def rotate(x, bits):
        return (x << bits | x >> (64 - bits)) & M64

    def rounds(count):
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0 = (v0 + v1) & M64
            v1 = rotate(v1, 13) ^ v0
            v0 = rotate(v0, 32)
            v2 = (v2 + v3) & M64
            v3 = rotate(v3, 16) ^ v2
            v0 = (v0 + v3) & M64
            v3 = rotate(v3, 21) ^ v0
            v2 = (v2 + v1) & M64
            v1 = rotate(v1, 17) ^ v2
            v2 = rotate(v2, 32)

    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at:at + 8], "little")
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xFF
    rounds(4)
    return (v0 ^ v1 ^ v2 ^ v3).to_bytes(8, "little")


def pad(mask, secret):
    return int.from_bytes(siphash_2_4(mask, secret.encode()), "little") % 2**47


def check(text):
    return base62(zlib.crc32(text.encode()), 6)


def mint(prefix, tag, number, version, mask, secret):
    locator = base62((number * 16 + version) ^ pad(mask, secret), 8)
    text = f"{prefix}_{tag}_{locator}{secret}"
    return text + check(text)


def parse(text):
    """None, or (prefix, tag, locator, secret)."""
    match = SHAPE.fullmatch(text)
    if not match or check(text[:-6]) != match[5] or unbase62(match[3]) >= 2**47:
        return None
    return match.groups()[:4]


def digest(pepper, message):
    return hmac.new(pepper, message, hashlib.sha256).hexdigest()


def key_line(prefix, tag, number, version, mask, pepper, secret):
    key = mint(prefix, tag, number, version, mask, secret)
    hint = key[:len(prefix) + len(tag) + 6]
    return f"key {prefix} {tag} {number} {version} {mask.hex()} {pepper.hex()} {secret} {key} " \
           f"{digest(pepper, key.encode())} {hint}"


def foreign_line(version, pepper, text):
    return f"foreign {version} {pepper.hex()} {text} {digest(pepper, hashlib.sha256(text.encode()).digest())}"


def holds(line):
    """Whether a line is what this program would have written."""
    kind, *fields = line.split(" ")
    if kind == "key":
        prefix, tag, number, version, mask, pepper, secret, key = fields[:8]
        located = divmod(unbase62(parse(key)[2]) ^ pad(bytes.fromhex(mask), secret), 16)
        return located == (int(number), int(version)) and line == key_line(
            prefix, tag, int(number), int(version), bytes.fromhex(mask), bytes.fromhex(pepper), secret)
    if kind == "foreign":
        return line == foreign_line(int(fields[0]), bytes.fromhex(fields[1]), fields[2])
    return kind == "refused" and parse(fields[0]) is None


def broken(key, source):
    """Near misses of a key, right check or not."""
    at = source.randrange(len(key))
    yield key[:at] + source.choice([c for c in ALPHABET + "_-" if c != key[at]]) + key[at + 1:]
    yield key[:at] + key[at + 1:]
    yield key + source.choice(ALPHABET)
    yield key.upper()
    prefix, tag, body = key.split("_")
    for text in (f"{prefix}_{tag}_{base62(source.randrange(2**47, 62**8), 8)}{body[8:35]}", f"{prefix}{tag}_{body[:35]}",
                 f"{prefix}_{tag}_x_{body[:35]}", f"{prefix}__{body[:35]}"):
        yield text + check(text)


def vectors(source, count):
    def word(first, rest, least, most):
        return source.choice(first) + "".join(source.choices(rest, k=source.randint(least - 1, most - 1)))

    lower = ALPHABET[36:]
    for _ in range(count):
        secret = "".join(source.choices(ALPHABET, k=27))
        number, version = source.randrange(2**source.randint(0, 43)), source.randrange(16)
        line = key_line(word(lower, lower + "0123456789", 2, 16), word(lower + "0123456789", lower + "0123456789", 1, 8),
                        number, version, source.randbytes(16), source.randbytes(32), secret)
        yield line
        for text in broken(line.split(" ")[8], source):
            yield f"refused {text}"
        yield foreign_line(version, source.randbytes(32), "".join(source.choices(ALPHABET + "-+/=.", k=source.randint(1, 200))))


def printed_in(markdown):
    return re.search(r"^```vectors\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)[1].splitlines()


def c_accepts(program, lines):
    with tempfile.NamedTemporaryFile("w", suffix=".vectors") as file:
        file.write("".join(line + "\n" for line in lines))
        file.flush()
        result = subprocess.run([program, "check", file.name], capture_output=True, text=True, check=False)
    sys.stderr.write(result.stderr)
    return result.returncode == 0 and int(result.stdout) == len(lines)


def main(program, specification):
    # SipHash-2-4's own first vectors (J.-P. Aumasson, D. Bernstein, "SipHash", appendix A and the reference code).
    assert siphash_2_4(bytes(range(16)), bytes(range(15))).hex() == "e545be4961ca29a1"
    assert siphash_2_4(bytes(range(16)), b"").hex() == "310e0edd47db6f72"

    made = list(vectors(random.Random(2026), 300))
    assert all(map(holds, made)), "Python does not agree with itself"
    assert c_accepts(program, made), "C does not accept what Python made"

    minted = subprocess.run([program, "mint", "300"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(minted) == 300 and all(map(holds, minted)), "Python does not accept what C minted"

    printed = printed_in(open(specification, encoding="utf-8").read())
    assert {line.split(" ")[0] for line in printed} == {"key", "foreign", "refused"}, "the specification lacks vectors"
    for line in printed:
        assert holds(line), f"the specification is wrong: {line}"
    assert c_accepts(program, printed), "C does not hold to the specification"

    for line in made[:50]:  # and the test can fail: any other digit at the end, and C refuses the line
        wrong = line[:-1] + ("0" if line[-1] != "0" else "1")
        if not line.startswith("refused"):
            assert not c_accepts(program, [wrong]), f"C accepts {wrong}"


def print_some():
    mask, pepper = bytes(range(16)), bytes(range(32))
    for number, version, secret in ((0, 0, "0" * 27), (1, 0, "0123456789ABCDEFGHIJKLMNOPQ"),
                                    (123456789, 3, "RSTUVWXYZabcdefghijklmnopqr"), (2**43 - 1, 15, "z" * 27)):
        print(key_line("tk", "live", number, version, mask, pepper, secret))
    print(key_line("abcdefghijklmnop", "12345678", 17, 1, mask, pepper, "stuvwxyz0123456789ABCDEFGHI"))
    print(foreign_line(0, pepper, "acme-7f3c2a91d04e"))
    good = mint("tk", "live", 0, 0, mask, "0" * 27)
    print("refused", good[:-1] + ("0" if good[-1] != "0" else "1"))
    large = "tk_live_" + base62(2**47, 8) + "0" * 27
    print("refused", large + check(large))


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        print_some()
    elif len(sys.argv) == 3:
        main(sys.argv[1], sys.argv[2])
    else:
        sys.exit(__doc__)
