/*
 * password.c - one spelling for a password: SASLprep (RFC 4013).
 */
#include "auth/password.h"

#include <stdlib.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "common/channel_auth.h"
#include "message/encoding.h"

enum { CHARACTERS_MAX = 4 * AUTH_PASSWORD_MAX };

struct range {
	ucs4_t first, last;
};

/* RFC 3454, C.1.2, which become a blank, and B.1, which are left out. */
static const struct range blanks[] = {
    {0xa0,   0xa0  },
    {0x1680, 0x1680},
    {0x2000, 0x200b},
    {0x202f, 0x202f},
    {0x205f, 0x205f},
    {0x3000, 0x3000},
};
static const struct range nothing[] = {
    {0xad,   0xad  },
    {0x034f, 0x034f},
    {0x1806, 0x1806},
    {0x180b, 0x180d},
    {0x200c, 0x200d},
    {0x2060, 0x2060},
    {0xfe00, 0xfe0f},
    {0xfeff, 0xfeff},
};

/* C.2.1, C.2.2, C.3 to C.9; surrogates are no UTF-8. */
static const struct range forbidden[] = {
    {0,       0x1f    },
    {0x7f,    0x9f    },
    {0x0340,  0x0341  },
    {0x06dd,  0x06dd  },
    {0x070f,  0x070f  },
    {0x180e,  0x180e  },
    {0x200e,  0x200f  },
    {0x2028,  0x202e  },
    {0x2061,  0x2063  },
    {0x206a,  0x206f  },
    {0x2ff0,  0x2ffb  },
    {0xe000,  0xf8ff  },
    {0xfdd0,  0xfdef  },
    {0xfff9,  0xfffd  },
    {0x1d173, 0x1d17a },
    {0xe0001, 0xe0001 },
    {0xe0020, 0xe007f },
    {0xf0000, 0x10ffff},
};

static bool is_among(ucs4_t character, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (character >= ranges[i].first && character <= ranges[i].last)
			return true;
	return false;
}

#define IS_AMONG(character, ranges) is_among(character, ranges, sizeof ranges / sizeof ranges[0])

/* RFC 4013, 2.1: map. */
static size_t map(ucs4_t *text, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		if (IS_AMONG(text[i], blanks))
			text[kept++] = ' ';
		else if (!IS_AMONG(text[i], nothing))
			text[kept++] = text[i];
	}
	return kept;
}

static bool is_right_to_left(ucs4_t character)
{
	int category = uc_bidi_category(character);

	return category == UC_BIDI_R || category == UC_BIDI_AL;
}

/* RFC 3454, 6: what is written from right to left has none of the other kind in it, and is so at both ends. */
static bool is_of_one_direction(const ucs4_t *text, size_t len)
{
	bool has_right_to_left = false, has_left_to_right = false;

	for (size_t i = 0; i < len; i++) {
		has_right_to_left = has_right_to_left || is_right_to_left(text[i]);
		has_left_to_right = has_left_to_right || uc_bidi_category(text[i]) == UC_BIDI_L;
	}
	return !has_right_to_left ||
	       (!has_left_to_right && is_right_to_left(text[0]) && is_right_to_left(text[len - 1]));
}

static bool is_allowed(const ucs4_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (IS_AMONG(text[i], forbidden) || (text[i] & 0xfffe) == 0xfffe)
			return false;
	return len > 0 && is_of_one_direction(text, len);
}

static bool append(const ucs4_t *text, size_t len, struct buf *out)
{
	uint8_t octets[6];

	for (size_t i = 0; i < len; i++) {
		int count = u8_uctomb(octets, text[i], sizeof octets);

		if (count <= 0 || !buf_append(out, octets, (size_t)count))
			return false;
	}
	explicit_bzero(octets, sizeof octets);
	return true;
}

static bool prepare(struct slice password, ucs4_t *text, struct buf *out)
{
	size_t len = AUTH_PASSWORD_MAX, normal_len = CHARACTERS_MAX;
	ucs4_t normal[CHARACTERS_MAX], *result;
	bool good;

	if (u8_to_u32((const uint8_t *)password.data, password.len, text, &len) != text)
		return false;
	len = map(text, len);
	result = u32_normalize(UNINORM_NFKC, text, len, normal, &normal_len);
	good =
	    result == normal && is_allowed(normal, normal_len) && append(normal, normal_len, out);
	if (result != NULL && result != normal) {
		explicit_bzero(result, normal_len * sizeof *result);
		free(result);
	}
	explicit_bzero(normal, sizeof normal);
	return good;
}

bool password_prepare(struct slice password, struct buf *out)
{
	ucs4_t text[AUTH_PASSWORD_MAX];
	bool good;

	if (password.len == 0 || password.len > AUTH_PASSWORD_MAX || !utf8_is_valid(password))
		return false;
	good = prepare(password, text, out);
	explicit_bzero(text, sizeof text);
	return good;
}
