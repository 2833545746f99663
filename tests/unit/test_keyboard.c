/* Keys: from terminals' bytes and viewers' keysyms to keys, and from keys to scan codes. */
#include "dev_harness.h"

#include "devices/ps2_keys.h"
#include "display/keyboard.h"
#include "display/termkeys.h"

/* Keys as text: +1e -1e .. */
struct typed {
    char text[512];
};

static void on_key(void *opaque, unsigned key, bool down)
{
    struct typed *t = opaque;

    snprintf(t->text + strlen(t->text), sizeof(t->text) - strlen(t->text), "%c%02x ",
             down ? '+' : '-', key);
}

static void check(struct typed *t, const char *want)
{
    ck_assert_str_eq(t->text, want);
    t->text[0] = 0;
}

static struct keyboard keyboard_to(struct typed *t)
{
    t->text[0] = 0;
    return (struct keyboard){.sink = {.key = on_key, .opaque = t}};
}

START_TEST(test_characters)
{
    static const struct {
        char c;
        uint8_t key;
        bool shift;
    } rows[] = {{'1', 0x02, 0}, {'!', 0x02, 1}, {'=', 0x0d, 0},  {'q', 0x10, 0}, {'}', 0x1b, 1},
                {'a', 0x1e, 0}, {'L', 0x26, 1}, {'\'', 0x28, 0}, {'~', 0x29, 1}, {'\\', 0x2b, 0},
                {'|', 0x2b, 1}, {'z', 0x2c, 0}, {'?', 0x35, 1},  {' ', 0x39, 0}, {'/', 0x35, 0}};
    unsigned key;
    bool shift;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        ck_assert(keyboard_find((uint8_t)rows[i].c, &key, &shift));
        ck_assert_uint_eq(key, rows[i].key);
        ck_assert_int_eq(shift, rows[i].shift);
    }
    for (unsigned c = ' '; c <= '~'; c++)
        ck_assert(keyboard_find(c, &key, &shift));
    ck_assert(!keyboard_find(0, &key, &shift));
    ck_assert(!keyboard_find(0xe4, &key, &shift));
    ck_assert(!keyboard_find(0xfe03, &key, &shift)); /* AltGr */
    ck_assert(!keyboard_find(UINT32_MAX, &key, &shift));
    ck_assert(keyboard_find(KEYSYM_DELETE, &key, &shift));
    ck_assert_uint_eq(key, 0xd3);
}
END_TEST

/* Characters whose Shift differs between the viewer's keyboard and the guest's. */
START_TEST(test_shift_follows_character)
{
    struct typed t;
    struct keyboard k = keyboard_to(&t);

    keyboard_keysym(&k, KEYSYM_SHIFT, true);
    keyboard_keysym(&k, 'A', true);
    keyboard_keysym(&k, 'A', false);
    check(&t, "+2a +1e -1e ");
    keyboard_keysym(&k, '/', true); /* Shift and 7 on a German keyboard */
    keyboard_keysym(&k, '/', false);
    check(&t, "-2a +35 +2a -35 ");
    keyboard_keysym(&k, KEYSYM_SHIFT, false);
    check(&t, "-2a ");
    keyboard_keysym(&k, '"', true);
    keyboard_keysym(&k, '"', false);
    check(&t, "+2a +28 -2a -28 ");
    keyboard_keysym(&k, 'x', false); /* never pressed */
    keyboard_keysym(&k, KEYSYM_CAPS_LOCK, true);
    check(&t, "");
    keyboard_keysym(&k, KEYSYM_CONTROL, true);
    keyboard_keysym(&k, 'c', true);
    keyboard_release_all(&k);
    check(&t, "+1d +2e -1d -2e ");
    keyboard_release_all(&k);
    check(&t, "");
}
END_TEST

static void tap(struct keyboard *k, uint32_t keysym)
{
    keyboard_keysym(k, keysym, true);
    keyboard_keysym(k, keysym, false);
}

/* A French keyboard's digits are with Shift and its punctuation is not; AltGr makes characters;
 * letters with accents are on no US keyboard; of dead keys the accent itself arrives. */
START_TEST(test_other_layouts)
{
    struct typed t;
    struct keyboard k = keyboard_to(&t);

    keyboard_keysym(&k, KEYSYM_SHIFT, true);
    tap(&k, '1');
    keyboard_keysym(&k, KEYSYM_SHIFT, false);
    check(&t, "+2a -2a +02 +2a -02 -2a ");
    tap(&k, '&');
    check(&t, "+2a +08 -2a -08 ");
    keyboard_keysym(&k, 0xfe03, true); /* AltGr, 0 */
    tap(&k, '@');
    keyboard_keysym(&k, 0xfe03, false);
    check(&t, "+2a +03 -2a -03 ");
    tap(&k, 0xe9);   /* eacute */
    tap(&k, 0x20ac); /* EuroSign */
    tap(&k, 0xfe5b); /* dead_cedilla */
    check(&t, "");
    tap(&k, 0xfe52); /* dead_circumflex */
    tap(&k, 'e');
    check(&t, "+2a +07 -2a -07 +12 -12 ");
    keyboard_keysym(&k, KEYSYM_SHIFT, true);
    tap(&k, 0xfe50); /* dead_grave, a German keyboard's Shift and acute */
    tap(&k, 0xfe57); /* dead_diaeresis */
    keyboard_keysym(&k, KEYSYM_SHIFT, false);
    check(&t, "+2a -2a +29 +2a -29 +28 -28 -2a ");
    tap(&k, 0xfe51);
    tap(&k, 0xfe53);
    check(&t, "+28 -28 +2a +29 -2a -29 ");
}
END_TEST

START_TEST(test_type)
{
    struct typed t;
    struct keyboard k = keyboard_to(&t);

    keyboard_type(&k, 'A', 0);
    check(&t, "+2a +1e -1e -2a ");
    keyboard_type(&k, KEYSYM_DELETE, KEYBOARD_CONTROL | KEYBOARD_ALT);
    check(&t, "+38 +1d +d3 -d3 -1d -38 ");
}
END_TEST

/* What a terminal sends, as keysym/modifiers. */
static const struct {
    const char *bytes;
    uint32_t keysym;
    unsigned modifiers;
} sent[] = {
    {"a", 'a', 0},
    {"\r", KEYSYM_RETURN, 0},
    {"\177", KEYSYM_BACKSPACE, 0},
    {"\t", KEYSYM_TAB, 0},
    {"\003", 'c', KEYBOARD_CONTROL},
    {"\034", '\\', KEYBOARD_CONTROL},
    {"\033x", 'x', KEYBOARD_ALT},
    {"\033[A", KEYSYM_UP, 0},
    {"\033OD", KEYSYM_LEFT, 0},
    {"\033[1;5C", KEYSYM_RIGHT, KEYBOARD_CONTROL},
    {"\033[3;3~", KEYSYM_DELETE, KEYBOARD_ALT},
    {"\033[5~", KEYSYM_PAGE_UP, 0},
    {"\033OP", KEYSYM_F1, 0},
    {"\033[[C", KEYSYM_F1 + 2, 0},
    {"\033[15~", KEYSYM_F1 + 4, 0},
    {"\033[24~", KEYSYM_F1 + 11, 0},
    {"\033[Z", KEYSYM_TAB, KEYBOARD_SHIFT},
    {"\033[H", KEYSYM_HOME, 0},
};

START_TEST(test_terminal)
{
    struct termkeys t = {0};
    struct termkey key;

    for (unsigned i = 0; i < ARRAY_SIZE(sent); i++) {
        size_t n = strlen(sent[i].bytes);

        for (size_t j = 0; j < n; j++)
            ck_assert_int_eq(termkeys_feed(&t, (uint8_t)sent[i].bytes[j], &key), j == n - 1);
        ck_assert_uint_eq(key.keysym, sent[i].keysym);
        ck_assert_uint_eq(key.modifiers, sent[i].modifiers);
        ck_assert(!termkeys_idle(&t, &key));
    }
    ck_assert(!termkeys_feed(&t, 0x1b, &key));
    ck_assert(termkeys_idle(&t, &key));
    ck_assert_uint_eq(key.keysym, KEYSYM_ESCAPE);
    ck_assert(!termkeys_idle(&t, &key));
    ck_assert(!termkeys_feed(&t, 0x1b, &key));
    ck_assert(termkeys_feed(&t, 0x1b, &key));
    ck_assert(!termkeys_feed(&t, '[', &key));
    for (unsigned i = 0; i < 100; i++) /* nonsense ends somewhere */
        ck_assert(!termkeys_feed(&t, '9', &key));
    ck_assert(!termkeys_feed(&t, '~', &key));
    ck_assert(termkeys_feed(&t, 'b', &key));
    ck_assert(!termkeys_feed(&t, 0xc3, &key));
}
END_TEST

static void check_bytes(unsigned set, unsigned key, bool down, const char *want)
{
    uint8_t bytes[PS2_KEY_BYTES];
    unsigned n = ps2_key_bytes(set, key, down, bytes);
    char text[64] = "";

    for (unsigned i = 0; i < n; i++)
        snprintf(text + 3 * i, sizeof(text) - 3 * i, "%02x ", bytes[i]);
    ck_assert_str_eq(text, want);
}

START_TEST(test_scan_codes)
{
    check_bytes(1, 0x1e, true, "1e ");
    check_bytes(1, 0x1e, false, "9e ");
    check_bytes(2, 0x1e, true, "1c ");
    check_bytes(2, 0x1e, false, "f0 1c ");
    check_bytes(1, 0xc8, true, "e0 48 ");
    check_bytes(1, 0xc8, false, "e0 c8 ");
    check_bytes(2, 0xc8, true, "e0 75 ");
    check_bytes(2, 0xc8, false, "e0 f0 75 ");
    check_bytes(2, 0xdb, true, "e0 1f ");
    check_bytes(2, 0x41, true, "83 ");
    check_bytes(2, PS2_PAUSE, true, "e1 14 77 e1 f0 14 f0 77 ");
    check_bytes(2, PS2_PAUSE, false, "");
    check_bytes(1, PS2_PRINT, false, "e0 b7 e0 aa ");
    check_bytes(2, 0, true, "");
    check_bytes(2, 0x7f, true, "");
    check_bytes(2, 0x11e, true, "");
    check_bytes(3, 0x1e, true, "");
}
END_TEST

/* No two keys have the same code. */
START_TEST(test_codes_differ)
{
    uint8_t seen[256] = {0}, bytes[PS2_KEY_BYTES];

    for (unsigned key = 1; key < PS2_EXTENDED; key++)
        if (ps2_key_bytes(2, key, true, bytes) == 1)
            ck_assert_uint_eq(seen[bytes[0]]++, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_characters,    test_shift_follows_character,
                                  test_other_layouts, test_type,
                                  test_terminal,      test_scan_codes,
                                  test_codes_differ};

    return run_tests("keyboard", tests, ARRAY_SIZE(tests));
}
