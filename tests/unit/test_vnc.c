/* The VNC server, spoken to by the protocol itself (RFC 6143): pictures, resizing, keys, pointer,
 * passwords, clients that come and go; and where it listens. */
#include "vga_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "display/display.h"

START_TEST(test_parse)
{
    static const struct {
        const char *spec;
        uint32_t address;
        uint16_t port;
        const char *file;
    } good[] = {{":0", 0x7f000001, 5900, ""},
                {"localhost:12", 0x7f000001, 5912, ""},
                {"0.0.0.0:3", 0, 5903, ""},
                {"10.1.2.3:1,password-file=/a/b", 0x0a010203, 5901, "/a/b"}};
    static const char *const wrong[] = {"",
                                        "1",
                                        ":",
                                        ":-1",
                                        ":x",
                                        ":1x",
                                        "host:1",
                                        "1.2.3:1",
                                        ":99999",
                                        ":1,password",
                                        ":1,password-file=",
                                        ":1,websocket=",
                                        ":1,websocket=0",
                                        ":1,websocket=65536",
                                        ":1,websocket=on,",
                                        ":1,page=",
                                        ":1,keys=",
                                        ":1,keys=place",
                                        "1.2.3.4.5.6.7.8.9:1"};
    struct vnc_config cfg;
    const char *bad;

    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        ck_assert_int_eq(vnc_parse(&cfg, good[i].spec, &bad), 0);
        ck_assert(cfg.on);
        ck_assert_uint_eq(cfg.address, good[i].address);
        ck_assert_uint_eq(cfg.port, good[i].port);
        ck_assert_str_eq(cfg.password_file, good[i].file);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        ck_assert_int_eq(vnc_parse(&cfg, wrong[i], &bad), -EINVAL);
        ck_assert(!cfg.on);
    }
}
END_TEST

START_TEST(test_parse_web)
{
    static const char *const wrong[] = {"=", "=x", "=0", "=99999", "5700", ":1", "=1,password"};
    struct vnc_config cfg;
    const char *bad;

    ck_assert_int_eq(vnc_parse(&cfg, ":3", &bad), 0);
    ck_assert_uint_eq(cfg.web_port, 0);
    ck_assert_int_eq(vnc_parse(&cfg, ":3,websocket=on,password-file=p,page=/d", &bad), 0);
    ck_assert_uint_eq(cfg.web_port, 5703);
    ck_assert_str_eq(cfg.password_file, "p");
    ck_assert_str_eq(cfg.page_dir, "/d");
    ck_assert(!cfg.page_wanted);
    ck_assert_int_eq(vnc_parse(&cfg, ":3,websocket=8080", &bad), 0);
    ck_assert_uint_eq(cfg.web_port, 8080);
    ck_assert_int_eq(vnc_parse(&cfg, ":3,websocket=on,websocket=off", &bad), 0);
    ck_assert_uint_eq(cfg.web_port, 0);
    ck_assert(!cfg.places);
    ck_assert_int_eq(vnc_parse(&cfg, ":3,keys=places", &bad), 0);
    ck_assert(cfg.places);
    ck_assert_int_eq(vnc_parse(&cfg, ":3,keys=characters", &bad), 0);
    ck_assert(!cfg.places);
    ck_assert_int_eq(vnc_parse_web(&cfg, "", &bad), 0);
    ck_assert(cfg.on && cfg.page_wanted);
    ck_assert_uint_eq(cfg.port, 0);
    ck_assert_uint_eq(cfg.web_port, 5700);
    ck_assert_uint_eq(cfg.address, INADDR_LOOPBACK);
    ck_assert_str_eq(cfg.page_dir, VNC_PAGE_DIR);
    ck_assert_int_eq(vnc_parse_web(&cfg, "=8080,password-file=p", &bad), 0);
    ck_assert_uint_eq(cfg.web_port, 8080);
    ck_assert_str_eq(cfg.password_file, "p");
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        ck_assert_int_eq(vnc_parse_web(&cfg, wrong[i], &bad), -EINVAL);
        ck_assert(!cfg.on);
    }
}
END_TEST

#ifdef DRAGOMAN_VNC

#include <rfb/rfb.h>

struct server {
    struct vga_rig *g;
    struct display *display;
    struct display_config cfg;
    char keys[256], moves[256];
    bool full;
    volatile unsigned wakes;
    int fd; /* the client */
    uint16_t width, height;
    uint32_t *pixels;
};

static void on_key(void *opaque, unsigned key, bool down)
{
    struct server *s = opaque;

    snprintf(s->keys + strlen(s->keys), sizeof(s->keys) - strlen(s->keys), "%c%02x ",
             down ? '+' : '-', key);
}

static void on_mouse(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    struct server *s = opaque;

    snprintf(s->moves + strlen(s->moves), sizeof(s->moves) - strlen(s->moves), "%d,%d,%d,%u ", dx,
             dy, dz, buttons);
}

static bool ready(void *opaque)
{
    return !((struct server *)opaque)->full;
}

static void on_wake(void *opaque)
{
    ((struct server *)opaque)->wakes++;
}

/* A port that is free, most likely. */
static uint16_t free_port(void)
{
    return (uint16_t)(20000 + getpid() % 20000);
}

static struct server *open_server_with(const char *password_file, uint16_t web_port, bool places)
{
    struct server *s = calloc(1, sizeof(*s));
    struct display_error err;

    s->g = vga_rig_open();
    set_mode(s->g, MODE_13);
    set_dac(s->g);
    s->cfg = (struct display_config){
        .vga = &s->g->vga,
        .clock = &s->g->r.clock,
        .input = {.key = on_key, .mouse = on_mouse, .ready = ready, .opaque = s},
        .wake = on_wake,
        .opaque = s,
        .vnc = {.on = true,
                .address = INADDR_LOOPBACK,
                .port = free_port(),
                .web_port = web_port,
                .places = places},
    };
    strcpy(s->cfg.vnc.page_dir, "/nonexistent");
    snprintf(s->cfg.vnc.password_file, sizeof(s->cfg.vnc.password_file), "%s", password_file);
    ck_assert_msg(display_open(&s->display, &s->cfg, &err) == 0, "%s", err.text);
    s->pixels = calloc((size_t)VGA_MAX_WIDTH * VGA_MAX_HEIGHT, 4);
    return s;
}

static struct server *open_server(const char *password_file)
{
    return open_server_with(password_file, 0, false);
}

static void close_server(struct server *s)
{
    display_close(s->display);
    close(s->fd);
    vga_rig_close(s->g);
    free(s->pixels);
    free(s);
}

static void send_all(struct server *s, const void *data, size_t len)
{
    ck_assert_int_eq(send(s->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads exactly len bytes, running the vCPU thread's side meanwhile. */
static void receive(struct server *s, void *data, size_t len)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};

    for (unsigned tries = 0; len; tries++) {
        ssize_t n;

        ck_assert_uint_lt(tries, 2000);
        rig_pass(&s->g->r, 33000000);
        display_pump(s->display);
        if (poll(&p, 1, 10) <= 0)
            continue;
        n = recv(s->fd, data, len, 0);
        ck_assert_int_gt(n, 0);
        data = (char *)data + n;
        len -= (size_t)n;
    }
}

static void connect_port(struct server *s, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(s->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void connect_to(struct server *s)
{
    connect_port(s, s->cfg.vnc.port);
}

/* Version and security; returns the security result. */
static uint32_t handshake(struct server *s, const char *password)
{
    uint8_t buf[64], type = password ? 2 : 1;
    uint32_t result;

    receive(s, buf, 12);
    send_all(s, "RFB 003.008\n", 12);
    receive(s, buf, 1);
    ck_assert_uint_eq(buf[0], 1);
    receive(s, buf, 1);
    ck_assert_uint_eq(buf[0], type);
    send_all(s, &type, 1);
    if (password) {
        receive(s, buf, 16);
        rfbEncryptBytes(buf, (char *)(uintptr_t)password);
        send_all(s, buf, 16);
    }
    receive(s, &result, 4);
    return ntohl(result);
}

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Raw pixels and the DesktopSize pseudo encoding. */
static void start_session(struct server *s)
{
    static const uint8_t encodings[] = {2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21};
    uint8_t buf[256];

    send_all(s, "\001", 1);
    receive(s, buf, 24);
    s->width = be16(buf);
    s->height = be16(buf + 2);
    ck_assert_uint_eq(buf[4], 32);
    ck_assert_uint_eq(buf[14], 16); /* red's shift */
    receive(s, buf + 24, ntohl(ld32(buf + 20)));
    ck_assert_int_eq(memcmp(buf + 24, "Dragoman", 8), 0);
    send_all(s, encodings, sizeof(encodings));
}

static void request(struct server *s, bool incremental)
{
    uint8_t msg[10] = {3, incremental, 0, 0, 0, 0, 0x20, 0, 0x20, 0};

    send_all(s, msg, sizeof(msg));
}

/* One update; returns the pixels that it brought. */
static unsigned update(struct server *s)
{
    uint8_t head[12];
    unsigned pixels = 0;

    receive(s, head, 4);
    ck_assert_uint_eq(head[0], 0);
    for (unsigned rects = be16(head + 2); rects; rects--) {
        unsigned x, y, w, h;

        receive(s, head, 12);
        x = be16(head), y = be16(head + 2), w = be16(head + 4), h = be16(head + 6);
        if (ld32(head + 8)) { /* the size */
            s->width = (uint16_t)w;
            s->height = (uint16_t)h;
            continue;
        }
        for (unsigned i = 0; i < h; i++)
            receive(s, s->pixels + (y + i) * VGA_MAX_WIDTH + x, w * 4);
        pixels += w * h;
    }
    return pixels;
}

static void check_picture(struct server *s)
{
    draw(s->g);
    ck_assert_uint_eq(s->width, s->g->s.width);
    ck_assert_uint_eq(s->height, s->g->s.height);
    for (unsigned y = 0; y < s->height; y++)
        for (unsigned x = 0; x < s->width; x++)
            expect(s->g, x, y, s->pixels[y * VGA_MAX_WIDTH + x] & 0xffffff);
}

static struct server *session_with(bool places)
{
    struct server *s = open_server_with("", 0, places);

    connect_to(s);
    ck_assert_uint_eq(handshake(s, NULL), 0);
    start_session(s);
    return s;
}

static struct server *session(void)
{
    return session_with(false);
}

START_TEST(test_pictures)
{
    struct server *s = session();
    uint64_t seed = 9;

    for (unsigned i = 0; i < 64000; i++)
        poke(s->g, 0xa0000 + i, (uint8_t)next(&seed));
    request(s, false);
    while (update(s) < 640 * 400)
        request(s, true);
    request(s, true);
    poke(s->g, 0xa0000 + 320 * 50, (uint8_t)(peek(s->g, 0xa0000 + 320 * 50) + 1));
    ck_assert_uint_lt(update(s), 640 * 400); /* lines 100 and 101, with what was on its way */
    check_picture(s);
    set_mode(s->g, MODE_3);
    out_attr(s->g, 0x10, 0x04); /* nothing blinks */
    out_index(s->g, 0x3d4, 0x0a, 0x20);
    request(s, true);
    while (s->width != 720) {
        update(s);
        request(s, true);
    }
    request(s, false);
    while (update(s) < 720 * 400)
        request(s, false);
    check_picture(s);
    close_server(s);
}
END_TEST

static void key(struct server *s, uint32_t keysym, bool down)
{
    uint8_t msg[8] = {4, down, 0, 0, 0, 0, (uint8_t)(keysym >> 8), (uint8_t)keysym};

    send_all(s, msg, sizeof(msg));
}

static void pointer(struct server *s, uint8_t buttons, unsigned x, unsigned y)
{
    uint8_t msg[6] = {5, buttons, (uint8_t)(x >> 8), (uint8_t)x, (uint8_t)(y >> 8), (uint8_t)y};

    send_all(s, msg, sizeof(msg));
}

/* Pumps until the text is there. */
static void await(struct server *s, const char *text, const char *want)
{
    for (unsigned i = 0; i < 1000 && strcmp(text, want); i++) {
        usleep(5000);
        display_pump(s->display);
    }
    ck_assert_str_eq(text, want);
}

START_TEST(test_input)
{
    struct server *s = session();

    key(s, 'a', true);
    key(s, 'a', false);
    key(s, 0xffe1, true);
    await(s, s->keys, "+1e -1e +2a ");
    s->keys[0] = 0;
    s->full = true;
    key(s, 'B', true);
    usleep(50000);
    display_pump(s->display);
    ck_assert_str_eq(s->keys, "");
    s->full = false;
    await(s, s->keys, "+30 ");
    pointer(s, 0, 100, 100); /* says where the pointer is */
    pointer(s, 1, 105, 90);
    pointer(s, 0, 105, 90);
    pointer(s, 6, 105, 90);
    pointer(s, 0x10, 105, 90);
    pointer(s, 0x08, 104, 90);
    await(s, s->moves, "5,-10,0,1 0,0,0,0 0,0,0,6 0,0,1,0 -1,0,-1,0 ");
    ck_assert_uint_gt(s->wakes, 0);
    s->keys[0] = 0;
    shutdown(s->fd, SHUT_RDWR); /* what it held is released */
    await(s, s->keys, "-2a -30 ");
    close_server(s);
}
END_TEST

static const uint8_t place_encodings[] = {2, 0, 0, 1, 0xff, 0xff, 0xfe, 0xfe};

static void await_end(struct server *s)
{
    uint8_t byte;

    for (unsigned i = 0; i < 500 && recv(s->fd, &byte, 1, MSG_DONTWAIT) < 0; i++)
        usleep(10000);
    ck_assert_int_le(recv(s->fd, &byte, 1, MSG_DONTWAIT), 0);
}

/* QEMU's extension: one rectangle says that it is there, then keys come by their place, whatever
 * character the viewer's layout has on them. */
START_TEST(test_places)
{
    static const uint8_t offer[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xfe, 0xfe};
    static const uint8_t keys[][12] = {
        {255, 0, 0, 1, 0, 0, 0, 'z', 0, 0, 0, 0x15}, /* German z, where a US keyboard has y */
        {255, 0, 0, 0, 0, 0, 0, 'z', 0, 0, 0, 0x15},
        {255, 0, 0, 1, 0, 0, 0xfe, 3, 0, 0, 0, 0xb8},    /* AltGr */
        {255, 0, 0, 1, 0, 0, 0xff, 0x13, 0, 0, 0, 0xc6}, /* Pause */
        {255, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0x15},       /* no such key */
    };
    static const uint8_t other[12] = {255, 1};
    struct server *s = session_with(true);
    uint8_t got[sizeof(offer)];

    send_all(s, place_encodings, sizeof(place_encodings));
    receive(s, got, sizeof(got));
    ck_assert_mem_eq(got, offer, sizeof(got));
    send_all(s, keys, sizeof(keys));
    key(s, 'a', true);
    await(s, s->keys, "+15 -15 +b8 +c5 +1e ");
    send_all(s, other, sizeof(other));
    await_end(s);
    close_server(s);
}
END_TEST

/* Without the option it is not offered, and such a message ends the session. */
START_TEST(test_no_places)
{
    static const uint8_t press[12] = {255, 0, 0, 1, [11] = 0x15};
    struct server *s = session();

    send_all(s, place_encodings, sizeof(place_encodings));
    key(s, 'a', true);
    await(s, s->keys, "+1e ");
    s->keys[0] = 0;
    send_all(s, press, sizeof(press));
    await_end(s);
    await(s, s->keys, "-1e ");
    close_server(s);
}
END_TEST

START_TEST(test_password)
{
    char path[] = "/tmp/dragoman-vnc-XXXXXX";
    int fd = mkstemp(path);
    struct server *s;

    ck_assert_int_eq(write(fd, "sesame\n", 7), 7);
    close(fd);
    s = open_server(path);
    connect_to(s);
    ck_assert_uint_eq(handshake(s, "wrong"), 1);
    close(s->fd);
    connect_to(s);
    ck_assert_uint_eq(handshake(s, "sesame"), 0);
    start_session(s);
    close_server(s);
    unlink(path);
}
END_TEST

/* Nobody looks: nothing is drawn, no timer runs. */
START_TEST(test_idle_without_clients)
{
    struct server *s = open_server("");

    ck_assert(clock_deadline(&s->g->r.clock) == CLOCK_NEVER);
    connect_to(s);
    handshake(s, NULL);
    display_pump(s->display);
    ck_assert(clock_deadline(&s->g->r.clock) != CLOCK_NEVER);
    close_server(s);
}
END_TEST

START_TEST(test_refusals)
{
    struct server *s = open_server("");
    struct display_error err;
    struct display *other;

    ck_assert_int_eq(display_open(&other, &s->cfg, &err), -EADDRINUSE); /* the port */
    s->cfg.vnc.port++;
    strcpy(s->cfg.vnc.password_file, "/nonexistent/password");
    ck_assert_int_eq(display_open(&other, &s->cfg, &err), -ENOENT);
    strcpy(s->cfg.vnc.password_file, "/dev/null");
    ck_assert_int_eq(display_open(&other, &s->cfg, &err), -EINVAL);
    s->fd = -1;
    close_server(s);
}
END_TEST

/* Asks for a websocket (RFC 6455 has this key, and what becomes of it). */
static void ask_for_websocket(struct server *s, uint16_t port, const char *origin)
{
    char text[512];

    connect_port(s, port);
    snprintf(text, sizeof(text),
             "GET /websockify HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nOrigin: http://%s:%u\r\n"
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             port, origin, port);
    send_all(s, text, strlen(text));
}

START_TEST(test_websocket)
{
    struct server *s = open_server_with("", (uint16_t)(free_port() + 1), false);
    char head[512] = "";
    uint8_t frame[14];

    ask_for_websocket(s, s->cfg.vnc.web_port, "127.0.0.1");
    for (size_t i = 0; i < sizeof(head) - 1 && !strstr(head, "\r\n\r\n"); i++)
        receive(s, head + i, 1);
    ck_assert_ptr_eq(strstr(head, "HTTP/1.1 101 "), head);
    ck_assert_ptr_nonnull(strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    receive(s, frame, sizeof(frame)); /* one binary frame of 12 bytes */
    ck_assert_uint_eq(frame[0], 0x82);
    ck_assert_uint_eq(frame[1], 12);
    ck_assert_int_eq(memcmp(frame + 2, "RFB 003.008\n", 12), 0);
    close(s->fd);
    ask_for_websocket(s, s->cfg.vnc.web_port, "evil.example");
    receive(s, head, 12);
    ck_assert_int_eq(memcmp(head, "HTTP/1.1 403", 12), 0);
    close_server(s);
}
END_TEST

/* libvncserver would take one there, whoever's page asks. */
START_TEST(test_no_websocket_on_vnc_port)
{
    struct server *s = open_server("");
    ssize_t n = 1;
    char text[512];

    ask_for_websocket(s, s->cfg.vnc.port, "evil.example");
    while (n > 0) { /* an answer may be there, but then it hangs up */
        display_pump(s->display);
        n = recv(s->fd, text, sizeof(text), 0);
    }
    close_server(s);
}
END_TEST

START_TEST(test_missing_page)
{
    struct server *s = open_server("");
    struct display_error err;
    struct display *other;

    s->cfg.vnc.port = 0;
    s->cfg.vnc.web_port = (uint16_t)(free_port() + 1);
    s->cfg.vnc.page_wanted = true;
    ck_assert_int_eq(display_open(&other, &s->cfg, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/vnc.html"));
    s->cfg.vnc.page_wanted = false;
    ck_assert_int_eq(display_open(&other, &s->cfg, &err), 0);
    display_close(other);
    s->fd = -1;
    close_server(s);
}
END_TEST

/* Bytes that are no protocol, from clients that come and go. */
START_TEST(test_hostile_clients)
{
    struct server *s = session();
    uint64_t seed = 77;
    uint8_t junk[512];

    for (unsigned n = 0; n < 40; n++) {
        struct server other = *s;

        for (unsigned i = 0; i < sizeof(junk); i++)
            junk[i] = (uint8_t)next(&seed);
        connect_to(&other);
        if (n & 1) {
            handshake(&other, NULL);
            start_session(&other);
            junk[0] = (uint8_t)(next(&seed) % 8);
        }
        send(other.fd, junk, sizeof(junk), MSG_NOSIGNAL);
        display_pump(s->display);
        close(other.fd);
    }
    request(s, false);
    ck_assert_uint_gt(update(s), 0);
    close_server(s);
}
END_TEST

#endif

int main(void)
{
    const TTest *const tests[] = {
        test_parse,        test_parse_web,
#ifdef DRAGOMAN_VNC
        test_pictures,     test_input,           test_password,  test_idle_without_clients,
        test_refusals,     test_hostile_clients, test_websocket, test_no_websocket_on_vnc_port,
        test_missing_page, test_places,          test_no_places,
#endif
    };

    return run_tests("vnc", tests, ARRAY_SIZE(tests));
}
