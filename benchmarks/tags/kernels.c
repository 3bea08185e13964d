/* Plain kernels for a merged stream (int64 ps, uint8 channel), as one would write them in C for speed: look back from
 * each tag while the window lasts; no division by a variable where a tag is handled; merging without branches from both
 * ends. Built at run time with gcc -O3 -march=native. */
#include <stdint.h>

typedef int64_t i64;
typedef uint8_t u8;

i64 two_fold(const i64 *restrict t, const u8 *restrict c, i64 n, i64 window, u8 a, u8 b)
{
    i64 count = 0;
    for (i64 i = 1; i < n; i++)
        for (i64 j = i - 1; j >= 0 && t[i] - t[j] <= window; j--)
            count += (c[i] == a && c[j] == b) || (c[i] == b && c[j] == a);
    return count;
}

/* pairs[16 * later + earlier] */
void all_pairs(const i64 *restrict t, const u8 *restrict c, i64 n, i64 window, i64 *restrict pairs)
{
    for (i64 i = 1; i < n; i++)
        for (i64 j = i - 1; j >= 0 && t[i] - t[j] <= window; j--)
            pairs[16 * c[i] + c[j]]++;
}

/* channels 0 to 3; a tag without three others in its window closes no tuple */
i64 four_fold(const i64 *restrict t, const u8 *restrict c, i64 n, i64 window)
{
    i64 count = 0;
    for (i64 i = 3; i < n; i++) {
        if (t[i] - t[i - 3] > window)
            continue;
        i64 inside[4] = {0, 0, 0, 0};
        for (i64 j = i - 1; j >= 0 && t[i] - t[j] <= window; j--)
            inside[c[j] & 3]++;
        inside[c[i] & 3] = 1;
        count += inside[0] * inside[1] * inside[2] * inside[3];
    }
    return count;
}

/* t_stop - t_start in [-span, span); the division by the bin is a multiplication: exact for spans below 2^30 */
void histogram(const i64 *restrict t, const u8 *restrict c, i64 n, u8 start, u8 stop, i64 bin, i64 span,
               i64 *restrict counts)
{
    int shift = 31;
    while ((1LL << (shift - 31)) < bin)
        shift++;
    const i64 factor = (1LL << shift) / bin + 1;
    for (i64 i = 1; i < n; i++)
        for (i64 j = i - 1; j >= 0; j--) {
            i64 d = t[i] - t[j];
            if (d > span)
                break;
            if (c[i] == stop && c[j] == start) {
                if (d < span)
                    counts[(d + span) * factor >> shift]++;
            } else if (c[i] == start && c[j] == stop)
                counts[(span - d) * factor >> shift]++;
        }
}

static void merge_two(const i64 *restrict a, const u8 *restrict ca, i64 na, const i64 *restrict b,
                      const u8 *restrict cb, i64 nb, i64 *restrict o, u8 *restrict co)
{
    i64 i = 0, j = 0, p = na - 1, q = nb - 1, k = 0, e = na + nb - 1;
    for (;;) {
        i64 left = p - i + 1, right = q - j + 1, steps = (left < right ? left : right) / 2;
        if (steps <= 0)
            break;
        for (i64 z = 0; z < steps; z++) {
            i64 x = a[i], y = b[j], second = y < x;
            u8 cx = ca[i], cy = cb[j];
            o[k] = x <= y ? x : y;
            co[k++] = cx ^ ((cx ^ cy) & (u8)-second);
            j += second;
            i += 1 - second;
            i64 u = a[p], v = b[q], first = u > v;
            u8 cu = ca[p], cv = cb[q];
            o[e] = u > v ? u : v;
            co[e--] = cv ^ ((cu ^ cv) & (u8)-first);
            p -= first;
            q -= 1 - first;
        }
    }
    while (i <= p && j <= q) {
        i64 second = b[j] < a[i];
        o[k] = second ? b[j] : a[i];
        co[k++] = second ? cb[j] : ca[i];
        j += second;
        i += 1 - second;
    }
    while (i <= p) {
        o[k] = a[i];
        co[k++] = ca[i++];
    }
    while (j <= q) {
        o[k] = b[j];
        co[k++] = cb[j++];
    }
}

/* o, co: the result; s, cs: as much room again */
void merge_eight(const i64 **t, const u8 **c, const i64 *n, i64 *o, u8 *co, i64 *s, u8 *cs)
{
    i64 at[5] = {0};
    for (int k = 0; k < 4; k++) {
        merge_two(t[2 * k], c[2 * k], n[2 * k], t[2 * k + 1], c[2 * k + 1], n[2 * k + 1], o + at[k], co + at[k]);
        at[k + 1] = at[k] + n[2 * k] + n[2 * k + 1];
    }
    for (int k = 0; k < 4; k += 2)
        merge_two(o + at[k], co + at[k], at[k + 1] - at[k], o + at[k + 1], co + at[k + 1], at[k + 2] - at[k + 1],
                  s + at[k], cs + at[k]);
    merge_two(s, cs, at[2], s + at[2], cs + at[2], at[4] - at[2], o, co);
}
