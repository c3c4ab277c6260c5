/*
 * fold.c - letters that a person takes for the same when searching.
 */
#include "message/charset.h"
#include "message/encoding.h"

bool fold_ascii(struct slice in, struct buf *out)
{
	char *room = buf_extend(out, in.len);

	if (room == NULL)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];

		room[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
	}
	return true;
}

/*
 * Runs of capital letters and how to reach the small ones.  In an alternating
 * run capitals and small letters take turns, capitals at the parity of `first`.
 */
static const struct fold {
	uint32_t first, last;
	int32_t distance; /* 0: alternating, the small letter comes next */
} folds[] = {
    {0x0041, 0x005a, 32   }, /* Latin */
    {0x00c0, 0x00d6, 32   }, /* Latin-1 */
    {0x00d8, 0x00de, 32   },
    {0x0100, 0x012e, 0    }, /* Latin Extended-A */
    {0x0130, 0x0130, -199 }, /* I with a dot: i */
    {0x0132, 0x0136, 0    },
    {0x0139, 0x0147, 0    },
    {0x014a, 0x0176, 0    },
    {0x0178, 0x0178, -121 }, /* Y with diaeresis */
    {0x0179, 0x017d, 0    },
    {0x01a0, 0x01a4, 0    },
    {0x01af, 0x01af, 1    },
    {0x01cd, 0x01db, 0    }, /* Latin Extended-B: carons, and what Europe writes */
    {0x01de, 0x01ee, 0    },
    {0x01f4, 0x01f4, 0    },
    {0x01f8, 0x021e, 0    },
    {0x0222, 0x0232, 0    },
    {0x0386, 0x0386, 38   }, /* Greek */
    {0x0388, 0x038a, 37   },
    {0x038c, 0x038c, 64   },
    {0x038e, 0x038f, 63   },
    {0x0391, 0x03a1, 32   },
    {0x03a3, 0x03ab, 32   },
    {0x03c2, 0x03c2, 1    }, /* final sigma */
    {0x0400, 0x040f, 80   }, /* Cyrillic */
    {0x0410, 0x042f, 32   },
    {0x0460, 0x0480, 0    },
    {0x048a, 0x04be, 0    },
    {0x04c0, 0x04c0, 15   },
    {0x04c1, 0x04cd, 0    },
    {0x04d0, 0x052e, 0    },
    {0x0531, 0x0556, 48   }, /* Armenian */
    {0x1e00, 0x1e94, 0    }, /* Latin Extended Additional */
    {0x1e9e, 0x1e9e, -7615}, /* capital sharp s */
    {0x1ea0, 0x1efe, 0    }, /* Vietnamese */
    {0x2160, 0x216f, 16   }, /* Roman numerals */
    {0x24b6, 0x24cf, 26   }, /* circled */
    {0xff21, 0xff3a, 32   }, /* full width */
};

uint32_t fold_code_point(uint32_t code_point)
{
	size_t low = 0, high = sizeof(folds) / sizeof(folds[0]);

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct fold *fold = &folds[middle];

		if (code_point < fold->first)
			high = middle;
		else if (code_point > fold->last)
			low = middle + 1;
		else if (fold->distance == 0)
			return code_point + ((code_point - fold->first) % 2 == 0);
		else
			return (uint32_t)((int32_t)code_point + fold->distance);
	}
	return code_point;
}

bool fold_text(struct slice in, struct buf *out)
{
	struct cursor c = cursor_over(in);
	int32_t code_point;

	while ((code_point = utf8_next(&c)) != -1) {
		if (code_point >= 0 && code_point < 0x80)
			buf_append_octet(out, (char)octet_lower(code_point));
		else if (!utf8_append(out, code_point < 0 ? UNICODE_REPLACEMENT
							  : fold_code_point((uint32_t)code_point)))
			break;
	}
	return !out->overflowed;
}
