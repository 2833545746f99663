/* The web page's server: what requests mean (http.h), and files, errors, partial requests and
 * websockets by TCP (web.h). */
#include <check.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "display/http.h"
#include "display/web.h"

#define SOCKET_HEADS "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static struct http_request parse(const char *text, bool any_host)
{
    return http_parse(text, strlen(text), any_host);
}

START_TEST(test_paths)
{
    static const struct {
        const char *target, *path; /* NULL: 404 */
    } cases[] = {
        {"/vnc.html", "vnc.html"},
        {"/app/ui-1_x.js?v=1", "app/ui-1_x.js"},
        {"/a/b/c.css", "a/b/c.css"},
        {"/../etc/passwd", NULL},
        {"/a/../b", NULL},
        {"/a/.hidden", NULL},
        {"//etc/passwd", NULL},
        {"/a//b", NULL},
        {"/%2e%2e/x", NULL},
        {"http://h/x", NULL},
        {"x", NULL},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[256];
        struct http_request r;

        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
                 cases[i].target);
        r = parse(text, false);
        ck_assert_uint_eq(r.bytes, strlen(text));
        if (cases[i].path) {
            ck_assert_int_eq(r.verdict, HTTP_FILE);
            ck_assert_str_eq(r.path, cases[i].path);
        } else {
            ck_assert_int_eq(r.verdict, HTTP_ERROR);
            ck_assert_uint_eq(r.status, 404);
        }
    }
}
END_TEST

START_TEST(test_requests)
{
    static const struct {
        const char *text;
        enum http_verdict verdict;
        unsigned status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: localhost:5700\r\n\r\n", HTTP_START, 0},
        {"GET /?x HTTP/1.0\r\nhost:127.0.0.1\r\n\r\n", HTTP_START, 0},
        {"HEAD / HTTP/1.1\r\nHost: [::1]:5\r\n\r\n", HTTP_START, 0},
        {"GET / HTTP/1.1\r\nHost: localhost\r\n", HTTP_PARTIAL, 0},
        {"", HTTP_PARTIAL, 0},
        {"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", HTTP_ERROR, 405},
        {"GET /\r\n\r\n", HTTP_ERROR, 400},
        {"\r\n\r\n", HTTP_ERROR, 400},
        {"GET / HTTP/1.1\r\nHost: evil.example:5700\r\n\r\n", HTTP_ERROR, 403},
        {"GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", HTTP_ERROR, 403},
        {"GET / HTTP/1.1\r\n\r\n", HTTP_ERROR, 403},
        {"GET /w HTTP/1.1\r\nHost: 10.0.0.1:1\r\n" SOCKET_HEADS "Origin: http://10.0.0.1:1\r\n\r\n",
         HTTP_WEBSOCKET, 0},
        {"GET /w HTTP/1.1\r\nHost: 10.0.0.1:1\r\n" SOCKET_HEADS "\r\n", HTTP_WEBSOCKET, 0},
        {"GET /w HTTP/1.1\r\nHost: 10.0.0.1:1\r\n" SOCKET_HEADS "Origin: http://10.0.0.1:2\r\n\r\n",
         HTTP_ERROR, 403},
        {"GET /w HTTP/1.1\r\nHost: 10.0.0.1:1\r\n" SOCKET_HEADS
         "Origin: https://evil.example\r\n\r\n",
         HTTP_ERROR, 403},
        {"GET /w HTTP/1.1\r\nHost: 10.0.0.1:1\r\n" SOCKET_HEADS "Origin: null\r\n\r\n", HTTP_ERROR,
         403},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_request r = parse(cases[i].text, false);

        ck_assert_msg(r.verdict == cases[i].verdict && r.status % 1000 >= cases[i].status,
                      "%s: %d, %u", cases[i].text, r.verdict, r.status);
        if (r.verdict == HTTP_ERROR)
            ck_assert_uint_eq(r.status, cases[i].status);
    }
    ck_assert_int_eq(parse("GET / HTTP/1.1\r\nHost: my.pc:1\r\n\r\n", true).verdict, HTTP_START);
    ck_assert(parse("HEAD / HTTP/1.1\r\nHost: 1.2.3.4\r\n\r\n", false).head_only);
}
END_TEST

START_TEST(test_long_request)
{
    char text[HTTP_HEAD_BYTES + 1];

    memset(text, 'x', sizeof(text));
    ck_assert_int_eq(http_parse(text, HTTP_HEAD_BYTES - 1, true).verdict, HTTP_PARTIAL);
    ck_assert_uint_eq(http_parse(text, HTTP_HEAD_BYTES, true).status, 431);
}
END_TEST

/* Whatever comes: a file's name has no way out of the directory, and nothing is read beyond the
 * text. */
START_TEST(test_mutants)
{
    static const char *const seeds[] = {
        "GET /app/ui.js?x HTTP/1.1\r\nHost: 127.0.0.1:5700\r\n\r\n",
        "GET /../a/./b//c HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nOrigin: "
        "http://localhost\r\n\r\n",
    };
    uint32_t random = 1;

    for (unsigned n = 0; n < 100000; n++) {
        const char *seed = seeds[n & 1];
        size_t len = strlen(seed);
        char *text = malloc(len);
        struct http_request r;

        memcpy(text, seed, len);
        for (unsigned i = 0; i < n % 5; i++) {
            random = random * 1664525 + 1013904223;
            text[(random >> 8) % len] =
                (random & 0x80) ? "/.: \r\n?"[random >> 28 & 7] : (char)(random >> 24);
        }
        random = random * 1664525 + 1013904223;
        r = http_parse(text, n % 3 ? len : (random >> 8) % (len + 1), n & 2);
        ck_assert_uint_le(r.bytes, len);
        if (r.verdict == HTTP_FILE)
            ck_assert(r.path[0] && r.path[0] != '/' && r.path[0] != '.' && !strstr(r.path, "/.") &&
                      !strstr(r.path, "//"));
        free(text);
    }
}
END_TEST

START_TEST(test_types)
{
    ck_assert_str_eq(http_type_of("a/vnc.html"), "text/html; charset=utf-8");
    ck_assert_str_eq(http_type_of("a.min.js"), "text/javascript; charset=utf-8");
    ck_assert_str_eq(http_type_of("js"), "application/octet-stream");
    ck_assert_str_eq(http_reason(404), "Not Found");
}
END_TEST

/* ---- by TCP ---- */

struct page {
    char dir[64];
    struct web *web;
    struct web_config cfg;
    volatile int upgraded; /* a descriptor */
};

static void on_upgrade(void *opaque, int fd)
{
    ((struct page *)opaque)->upgraded = fd;
}

static void write_file(const struct page *p, const char *name, const char *text)
{
    char path[128];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    out = fopen(path, "we");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    fclose(out);
}

static void open_page(struct page *p)
{
    *p = (struct page){.upgraded = -1};
    strcpy(p->dir, "/tmp/dragoman-web-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(p->dir));
    write_file(p, "page.html", "<p>hello");
    p->cfg = (struct web_config){.address = INADDR_LOOPBACK,
                                 .port = (uint16_t)(20000 + getpid() % 20000),
                                 .dir = p->dir,
                                 .start = "page.html?x",
                                 .upgrade = on_upgrade,
                                 .opaque = p};
    ck_assert_int_eq(web_open(&p->web, &p->cfg), 0);
}

static void close_page(struct page *p)
{
    char path[128];

    web_close(p->web);
    snprintf(path, sizeof(path), "%s/page.html", p->dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/big.js", p->dir);
    unlink(path);
    ck_assert_int_eq(rmdir(p->dir), 0);
}

static int connect_to(const struct page *p)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->cfg.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* All that comes until the end. */
static size_t get_all(int fd, char *text, size_t room)
{
    size_t len = 0;
    ssize_t n;

    while ((n = recv(fd, text + len, room - 1 - len, 0)) > 0)
        len += (size_t)n;
    ck_assert_int_eq(n, 0);
    text[len] = 0;
    close(fd);
    return len;
}

static char *ask(const struct page *p, const char *request, char *text, size_t room)
{
    int fd = connect_to(p);

    put(fd, request);
    get_all(fd, text, room);
    return text;
}

START_TEST(test_files)
{
    struct page p;
    char text[1024];

    open_page(&p);
    ask(&p, "GET /page.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", text, sizeof(text));
    ck_assert_ptr_eq(strstr(text, "HTTP/1.1 200 OK\r\n"), text);
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Type: text/html"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Length: 8\r\n"));
    ck_assert_str_eq(strstr(text, "\r\n\r\n") + 4, "<p>hello");
    ask(&p, "HEAD /page.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Length: 8\r\n"));
    ck_assert_str_eq(strstr(text, "\r\n\r\n") + 4, "");
    ask(&p, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", text, sizeof(text));
    ck_assert_ptr_eq(strstr(text, "HTTP/1.1 302 "), text);
    ck_assert_ptr_nonnull(strstr(text, "\r\nLocation: page.html?x\r\n"));
    ask(&p, "GET /none.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", text, sizeof(text));
    ck_assert_ptr_eq(strstr(text, "HTTP/1.1 404 "), text);
    ask(&p, "GET /../page.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", text, sizeof(text));
    ck_assert_ptr_eq(strstr(text, "HTTP/1.1 404 "), text);
    close_page(&p);
}
END_TEST

/* More than sockets hold, fetched slowly, beside connections that say nothing or half of it. */
START_TEST(test_many_at_once)
{
    enum { BYTES = 8 << 20, OTHERS = 8 };
    struct page p;
    char *big = malloc(BYTES + 1), *text = malloc(BYTES + 1024), small[1024];
    int slow, others[OTHERS], half;

    open_page(&p);
    memset(big, 'j', BYTES);
    big[BYTES] = 0;
    write_file(&p, "big.js", big);
    for (unsigned i = 0; i < OTHERS; i++)
        others[i] = connect_to(&p);
    slow = connect_to(&p);
    put(slow, "GET /big.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    half = connect_to(&p);
    put(half, "GET /page.html HTTP/1.1\r\nHo");
    ask(&p, "GET /page.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", small, sizeof(small));
    ck_assert_str_eq(strstr(small, "\r\n\r\n") + 4, "<p>hello");
    put(half, "st: localhost\r\n\r\n");
    get_all(half, small, sizeof(small));
    ck_assert_str_eq(strstr(small, "\r\n\r\n") + 4, "<p>hello");
    ck_assert_uint_gt(get_all(slow, text, BYTES + 1024), BYTES);
    ck_assert_str_eq(strstr(text, "\r\n\r\n") + 4, big);
    for (unsigned i = 0; i < OTHERS; i++)
        close(others[i]);
    close_page(&p);
    free(big);
    free(text);
}
END_TEST

/* The request is still to be read by whom it was given to. */
START_TEST(test_upgrade)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n" SOCKET_HEADS "Origin: http://127.0.0.1\r\n\r\n";
    struct page p;
    char text[sizeof(request)] = "";
    int fd;

    open_page(&p);
    fd = connect_to(&p);
    send(fd, request, 20, 0);
    usleep(20000);
    put(fd, request + 20);
    for (unsigned i = 0; i < 1000 && p.upgraded < 0; i++)
        usleep(5000);
    ck_assert_int_ge(p.upgraded, 0);
    ck_assert_int_eq(recv(p.upgraded, text, sizeof(text) - 1, 0), sizeof(request) - 1);
    ck_assert_str_eq(text, request);
    close(p.upgraded);
    close(fd);
    close_page(&p);
}
END_TEST

START_TEST(test_taken_port)
{
    struct page p;
    struct web *other;

    open_page(&p);
    ck_assert_int_eq(web_open(&other, &p.cfg), -EADDRINUSE);
    close_page(&p);
    web_close(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_paths,        test_requests, test_long_request,
                                  test_mutants,      test_types,    test_files,
                                  test_many_at_once, test_upgrade,  test_taken_port};
    Suite *suite = suite_create("web");
    TCase *tc = tcase_create("web");
    SRunner *runner;
    int failed;

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
