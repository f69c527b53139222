/* SPDX-License-Identifier: BSD-3-Clause */
/* Vectors of 16 bytes for each of MT_LANES frames: the widest that the compiler was told to use.
 * Arithmetic and comparisons are the compiler's own (GNU C vectors); here is what it has no word
 * for. A comparison gives all ones or zero in each element. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <immintrin.h>

#if defined(__AVX512BW__) && defined(__AVX512VL__)
#define MT_LANES 4
#elif defined(__AVX2__)
#define MT_LANES 2
#else
#error "needs AVX2 or AVX-512"
#endif

typedef uint8_t mt_simd8 __attribute__((vector_size(16 * MT_LANES)));
typedef uint16_t mt_simd16 __attribute__((vector_size(16 * MT_LANES)));
typedef uint32_t mt_simd32 __attribute__((vector_size(16 * MT_LANES)));
typedef uint64_t mt_simd64 __attribute__((vector_size(16 * MT_LANES)));

/* The same 16 bytes in every lane. */
#if MT_LANES == 4
#define MT_SIMD(type, ...) ((type){__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__})
#else
#define MT_SIMD(type, ...) ((type){__VA_ARGS__, __VA_ARGS__})
#endif

/* 16 bytes from at[lane] + offset, for each lane. */
static inline mt_simd8 mt_simd_load(const uint8_t *const *at, unsigned offset)
{
#if MT_LANES == 4
	__m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(at[0] + offset)));

	v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(at[1] + offset)), 1);
	v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(at[2] + offset)), 2);
	v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(at[3] + offset)), 3);
	return (mt_simd8)v;
#else
	return (mt_simd8)_mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(at[0] + offset))),
		_mm_loadu_si128((const __m128i *)(at[1] + offset)), 1);
#endif
}

/* The 16 bytes of each lane to at[lane] + offset. */
static inline void mt_simd_store(uint8_t *const *at, unsigned offset, mt_simd8 v)
{
#if MT_LANES == 4
	_mm_storeu_si128((__m128i *)(at[0] + offset), _mm512_castsi512_si128((__m512i)v));
	_mm_storeu_si128((__m128i *)(at[1] + offset), _mm512_extracti32x4_epi32((__m512i)v, 1));
	_mm_storeu_si128((__m128i *)(at[2] + offset), _mm512_extracti32x4_epi32((__m512i)v, 2));
	_mm_storeu_si128((__m128i *)(at[3] + offset), _mm512_extracti32x4_epi32((__m512i)v, 3));
#else
	_mm_storeu_si128((__m128i *)(at[0] + offset), _mm256_castsi256_si128((__m256i)v));
	_mm_storeu_si128((__m128i *)(at[1] + offset), _mm256_extracti128_si256((__m256i)v, 1));
#endif
}

/* Byte i of each lane becomes byte from[i] of the same lane, or 0 where from[i] is MT_ZERO. */
enum {
	MT_ZERO = 0x80,
};

static inline mt_simd8 mt_simd_shuffle(mt_simd8 v, mt_simd8 from)
{
#if MT_LANES == 4
	return (mt_simd8)_mm512_shuffle_epi8((__m512i)v, (__m512i)from);
#else
	return (mt_simd8)_mm256_shuffle_epi8((__m256i)v, (__m256i)from);
#endif
}

/* Whether any bit is set in any lane. */
static inline bool mt_simd_any(mt_simd32 v)
{
#if MT_LANES == 4
	return _mm512_test_epi32_mask((__m512i)v, (__m512i)v) != 0;
#else
	return !_mm256_testz_si256((__m256i)v, (__m256i)v);
#endif
}

/* `a` where the mask is set, else `b`. */
static inline mt_simd32 mt_simd_select(mt_simd32 mask, mt_simd32 a, mt_simd32 b)
{
	return (a & mask) | (b & ~mask);
}
