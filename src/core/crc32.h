/*
 * CRC-32 as in IEEE 802.3, ISO 3309, zlib: polynomial 0xEDB88320 reflected, start and final xor 0xFFFFFFFF.
 * crc32("123456789") = 0xCBF43926. Table driven, eight bytes a step; pure.
 */
#ifndef TK_CORE_CRC32_H
#define TK_CORE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t tk_crc32(const void *bytes, size_t len);

#endif
