/*
 * CRC-32 (crc32.h), "slicing by eight": M. Kounavis, F. Berry, "A systematic approach to building high
 * performance software-based CRC generators", 2005. Pure; any thread. Eight bytes a step because a decision
 * checks a key of about 50 bytes, and one byte a step would take as long as fetching the key's line.
 *
 * A CRC table is linear over GF(2): the entry of n is the xor of the entries of n's bits. So each table is
 * written down as those eight entries, and the compiler expands the 256.
 */
#include "core/crc32.h"

/* The entries of 1, 2, 4 ... 128: a byte followed by SLICE zero bytes. The tests check them. */
#define BITS_0 0x77073096, 0xEE0E612C, 0x076DC419, 0x0EDB8832, 0x1DB71064, 0x3B6E20C8, 0x76DC4190, 0xEDB88320
#define BITS_1 0x191B3141, 0x32366282, 0x646CC504, 0xC8D98A08, 0x4AC21251, 0x958424A2, 0xF0794F05, 0x3B83984B
#define BITS_2 0x01C26A37, 0x0384D46E, 0x0709A8DC, 0x0E1351B8, 0x1C26A370, 0x384D46E0, 0x709A8DC0, 0xE1351B80
#define BITS_3 0xB8BC6765, 0xAA09C88B, 0x8F629757, 0xC5B428EF, 0x5019579F, 0xA032AF3E, 0x9B14583D, 0xED59B63B
#define BITS_4 0x3D6029B0, 0x7AC05360, 0xF580A6C0, 0x30704BC1, 0x60E09782, 0xC1C12F04, 0x58F35849, 0xB1E6B092
#define BITS_5 0xCB5CD3A5, 0x4DC8A10B, 0x9B914216, 0xEC53826D, 0x03D6029B, 0x07AC0536, 0x0F580A6C, 0x1EB014D8
#define BITS_6 0xA6770BB4, 0x979F1129, 0xF44F2413, 0x33EF4E67, 0x67DE9CCE, 0xCFBD399C, 0x440B7579, 0x8816EAF2
#define BITS_7 0xCCAA009E, 0x4225077D, 0x844A0EFA, 0xD3E51BB5, 0x7CBB312B, 0xF9766256, 0x299DC2ED, 0x533B85DA

#define BIT(n, bit, entry) (((n) >> (bit)) & 1 ? (uint32_t)(entry) : 0)
#define ENTRY_(n, b0, b1, b2, b3, b4, b5, b6, b7)                                                            \
        (BIT(n, 0, b0) ^ BIT(n, 1, b1) ^ BIT(n, 2, b2) ^ BIT(n, 3, b3) ^ BIT(n, 4, b4) ^ BIT(n, 5, b5) ^     \
         BIT(n, 6, b6) ^ BIT(n, 7, b7))
#define ENTRY(n, ...) ENTRY_(n, __VA_ARGS__)
#define ENTRIES_4(n, ...)                                                                                    \
        ENTRY((n), __VA_ARGS__), ENTRY((n) + 1, __VA_ARGS__), ENTRY((n) + 2, __VA_ARGS__),                   \
                ENTRY((n) + 3, __VA_ARGS__)
#define ENTRIES_16(n, ...)                                                                                   \
        ENTRIES_4((n), __VA_ARGS__), ENTRIES_4((n) + 4, __VA_ARGS__), ENTRIES_4((n) + 8, __VA_ARGS__),       \
                ENTRIES_4((n) + 12, __VA_ARGS__)
#define ENTRIES_64(n, ...)                                                                                   \
        ENTRIES_16((n), __VA_ARGS__), ENTRIES_16((n) + 16, __VA_ARGS__), ENTRIES_16((n) + 32, __VA_ARGS__),  \
                ENTRIES_16((n) + 48, __VA_ARGS__)
#define ENTRIES_256(...)                                                                                     \
        ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), ENTRIES_64(128, __VA_ARGS__),               \
                ENTRIES_64(192, __VA_ARGS__)

static const uint32_t table[8][256] = {
        {ENTRIES_256(BITS_0)}, {ENTRIES_256(BITS_1)}, {ENTRIES_256(BITS_2)}, {ENTRIES_256(BITS_3)},
        {ENTRIES_256(BITS_4)}, {ENTRIES_256(BITS_5)}, {ENTRIES_256(BITS_6)}, {ENTRIES_256(BITS_7)},
};

/* Compilers make one load of it where the machine is little-endian. */
static uint32_t load_le32(const uint8_t *p)
{
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t tk_crc32(const void *bytes, size_t len)
{
        const uint8_t *p = bytes;
        uint32_t crc = 0xFFFFFFFF;

        for (; len >= 8; len -= 8, p += 8) {
                uint32_t low = crc ^ load_le32(p);
                uint32_t high = load_le32(p + 4);
                crc = table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^ table[5][low >> 16 & 0xFF] ^
                      table[4][low >> 24] ^ table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF] ^
                      table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
        }
        for (; len > 0; len--, p++)
                crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xFF];
        return crc ^ 0xFFFFFFFF;
}
