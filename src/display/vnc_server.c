/* The VNC server: libvncserver in a thread of its own.
 *
 * The thread holds `lock` while it works for clients. The vCPU thread draws into the framebuffer
 * under the same lock, but never waits for it: when a client is being served, the picture is drawn
 * at a later refresh. Input goes through `input`, websockets from the page's thread through
 * `upgraded`.
 */
#include "display/viewer.h"

#include <errno.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h> /* for FB_UPDATE_PENDING */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

#include "devices/ps2_keys.h"
#include "display/input_queue.h"
#include "display/picture.h"
#include "display/web.h"
#include "host/thread.h"

enum { UPGRADED = 16, CLIENT_WAIT_MS = 5000, POLL_US = 10000 };

/* noVNC's, told to begin at once, to fit the window, and to show where the pointer is. */
#define PAGE "vnc.html?autoconnect=true&resize=scale&show_dot=true"

struct vnc {
    struct display_config cfg;
    struct keyboard keyboard;
    struct picture picture;
    char password[VNC_PASSWORD_BYTES + 1];
    char *passwords[2]; /* as libvncserver wants them */

    pthread_mutex_t lock; /* of `screen` and the pixels */
    rfbScreenInfoPtr screen;
    rfbProtocolExtension places; /* keys by their place */
    int place_encodings[2];
    pthread_t thread;
    int wake_fd;
    volatile bool stop, running;
    bool from_page;  /* the client that is being made is a websocket of `web` */
    struct web *web; /* NULL: no page */

    struct input_queue input;
    pthread_mutex_t queue_lock; /* of what follows */
    unsigned clients;
    int upgraded[UPGRADED];
    unsigned nupgraded;

    int x, y; /* the pointer, as of the last event taken */
    unsigned buttons;
    bool pointer_known;
};

/* ---- the server's thread ---- */

static void queue(struct vnc *s, struct input_event e)
{
    input_queue_put(&s->input, &e);
    if (s->cfg.wake)
        s->cfg.wake(s->cfg.opaque);
}

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
    queue(client->screen->screenData,
          (struct input_event){.kind = INPUT_KEYSYM, .code = keysym, .down = down});
}

/* ---- keys by their place: QEMU's extension of the protocol (rfbproto, "QEMU Extended Key Event")
 */

/* A rectangle of this encoding tells the viewer that it is understood. */
static rfbBool offer_places(rfbClientPtr client, void **data, int encoding)
{
    static const char update[16] = {
        rfbFramebufferUpdate, [3] = 1, /* rectangle, of no size at 0, 0 */
        [12] = (char)0xff,    (char)0xff, (char)0xfe, (char)0xfe};

    (void)data;
    return encoding == (int)rfbEncodingQemuExtendedKeyEvent &&
           rfbWriteExact(client, update, sizeof(update)) > 0;
}

static rfbBool on_place(rfbClientPtr client, void *data, const rfbClientToServerMsg *message)
{
    enum { SUBTYPE_KEY = 0, XT_PAUSE = 0xc6 };
    rfbQemuExtendedKeyEventMsg m;
    uint32_t code;

    (void)data;
    if (message->type != rfbQemuEvent)
        return FALSE;
    if (rfbReadExact(client, (char *)&m + 1, sz_rfbQemuExtendedKeyEventMsg - 1) <= 0 ||
        m.subtype != SUBTYPE_KEY) {
        rfbCloseClient(client);
        return TRUE;
    }
    code = ntohl(m.keycode) == XT_PAUSE ? PS2_PAUSE : ntohl(m.keycode);
    if (code <= UINT8_MAX)
        queue(client->screen->screenData,
              (struct input_event){.kind = INPUT_KEY, .code = code, .down = m.down != 0});
    return TRUE;
}

static rfbBool wants_places(rfbClientPtr client, void **data)
{
    const struct vnc *s = client->screen->screenData;

    *data = NULL;
    return s->cfg.vnc.places;
}

static void understand_places(struct vnc *s)
{
    s->place_encodings[0] = (int)rfbEncodingQemuExtendedKeyEvent;
    s->places = (rfbProtocolExtension){.newClient = wants_places,
                                       .pseudoEncodings = s->place_encodings,
                                       .enablePseudoEncoding = offer_places,
                                       .handleMessage = on_place};
    rfbRegisterProtocolExtension(&s->places);
}

static void on_pointer(int buttons, int x, int y, rfbClientPtr client)
{
    queue(client->screen->screenData,
          (struct input_event){
              .kind = INPUT_POINTER, .x = x, .y = y, .buttons = (unsigned)buttons & 0xff});
}

static void count_client(struct vnc *s, int change)
{
    pthread_mutex_lock(&s->queue_lock);
    s->clients += (unsigned)change;
    pthread_mutex_unlock(&s->queue_lock);
}

/* What the library itself forgets. */
static void free_rest(rfbClientPtr client)
{
#ifdef LIBVNCSERVER_WITH_WEBSOCKETS
    free(client->wsctx);
    client->wsctx = NULL;
#endif
    while (client->extensions) {
        rfbExtensionData *e = client->extensions;

        client->extensions = e->next;
        free(e);
    }
}

static void on_gone(rfbClientPtr client)
{
    struct vnc *s = client->screen->screenData;

    free_rest(client);
    count_client(s, -1);
    queue(s, (struct input_event){.kind = INPUT_GONE});
}

/* libvncserver takes websockets on the VNC port as well, from any web site: http.h. */
static bool is_foreign_websocket(const struct vnc *s, const rfbClientRec *client)
{
#ifdef LIBVNCSERVER_WITH_WEBSOCKETS
    return client->wsctx && !s->from_page;
#else
    (void)client;
    return s->from_page;
#endif
}

static enum rfbNewClientAction on_client(rfbClientPtr client)
{
    struct vnc *s = client->screen->screenData;

    if (is_foreign_websocket(s, client)) {
        free_rest(client);
        return RFB_CLIENT_REFUSE;
    }
    client->clientGoneHook = on_gone;
    count_client(s, 1);
    if (s->cfg.wake)
        s->cfg.wake(s->cfg.opaque);
    return RFB_CLIENT_ACCEPT;
}

/* Sleeps until a client wants something, or the vCPU thread has drawn. */
static void wait_for_work(struct vnc *s, bool busy)
{
    struct timeval timeout = {.tv_usec = POLL_US};
    uint64_t count;
    fd_set fds;
    int most;

    pthread_mutex_lock(&s->lock);
    fds = s->screen->allFds;
    most = s->screen->maxFd > s->wake_fd ? s->screen->maxFd : s->wake_fd;
    pthread_mutex_unlock(&s->lock);
    FD_SET(s->wake_fd, &fds);
    if (select(most + 1, &fds, NULL, NULL, busy ? &timeout : NULL) > 0 &&
        FD_ISSET(s->wake_fd, &fds) && read(s->wake_fd, &count, sizeof(count)) < 0)
        return;
}

/* What is left to send leaves a client's modified region behind; looked at soon again. */
static bool has_leftovers(rfbScreenInfoPtr screen)
{
    rfbClientIteratorPtr i = rfbGetClientIterator(screen);
    rfbClientPtr client;
    bool any = false;

    while ((client = rfbClientIteratorNext(i)))
        any |= FB_UPDATE_PENDING(client);
    rfbReleaseClientIterator(i);
    return any;
}

static void wake_server(struct vnc *s)
{
    uint64_t one = 1;

    while (write(s->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* The page's thread. */
static void on_upgrade(void *opaque, int fd)
{
    struct vnc *s = opaque;
    bool room;

    pthread_mutex_lock(&s->queue_lock);
    room = s->nupgraded < UPGRADED;
    if (room)
        s->upgraded[s->nupgraded++] = fd;
    pthread_mutex_unlock(&s->queue_lock);
    if (room)
        wake_server(s);
    else
        close(fd);
}

static int take_upgraded(struct vnc *s)
{
    int fd;

    pthread_mutex_lock(&s->queue_lock);
    fd = s->nupgraded ? s->upgraded[--s->nupgraded] : -1;
    pthread_mutex_unlock(&s->queue_lock);
    return fd;
}

static void add_upgraded(struct vnc *s)
{
    s->from_page = true;
    for (int fd = take_upgraded(s); fd >= 0; fd = take_upgraded(s))
        rfbNewClient(s->screen, fd);
    s->from_page = false;
}

static void *serve(void *arg)
{
    struct vnc *s = arg;
    bool busy = false;

    while (!s->stop) {
        wait_for_work(s, busy);
        pthread_mutex_lock(&s->lock);
        add_upgraded(s);
        rfbProcessEvents(s->screen, 0);
        busy = has_leftovers(s->screen);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

/* ---- the vCPU thread ---- */

/* 00RRGGBBh. libvncserver starts over with its own format at each new framebuffer. */
static void set_format(rfbScreenInfoPtr screen)
{
    rfbClientIteratorPtr i;
    rfbClientPtr client;

    screen->serverFormat.redShift = 16;
    screen->serverFormat.greenShift = 8;
    screen->serverFormat.blueShift = 0;
    i = rfbGetClientIterator(screen);
    while ((client = rfbClientIteratorNext(i)))
        rfbSetTranslateFunction(client);
    rfbReleaseClientIterator(i);
}

/* Caller holds the lock. False: no memory, tried again next time. */
static bool draw(struct vnc *s)
{
    struct vga_surface before = s->picture.surface;
    struct vga_rows rows;

    if (picture_update(&s->picture, s->cfg.vga, &rows) < 0)
        return false;
    if (s->picture.surface.pixels != before.pixels || s->picture.surface.width != before.width ||
        s->picture.surface.height != before.height) {
        rfbNewFramebuffer(s->screen, (char *)s->picture.surface.pixels,
                          (int)s->picture.surface.width, (int)s->picture.surface.height, 8, 3, 4);
        set_format(s->screen);
    } else if (rows.end > rows.first) {
        rfbMarkRectAsModified(s->screen, 0, (int)rows.first, (int)s->picture.surface.width,
                              (int)rows.end);
    }
    return true;
}

/* Buttons of VNC: left, middle, right, wheel up, wheel down. */
static void move_pointer(struct vnc *s, const struct input_event *e)
{
    unsigned pressed = e->buttons & ~s->buttons, plain = e->buttons & 7;
    int dz = (pressed >> 4 & 1) - (pressed >> 3 & 1);
    int dx = s->pointer_known ? e->x - s->x : 0, dy = s->pointer_known ? e->y - s->y : 0;

    s->x = e->x;
    s->y = e->y;
    s->pointer_known = true;
    if (s->cfg.input.mouse && (dx || dy || dz || plain != (s->buttons & 7)))
        s->cfg.input.mouse(s->cfg.input.opaque, dx, dy, dz,
                           (plain & 1) | (plain >> 1 & 2) | (plain << 1 & 4));
    s->buttons = e->buttons;
}

static void take_event(struct vnc *s, const struct input_event *e)
{
    if (e->kind == INPUT_KEYSYM) {
        keyboard_keysym(&s->keyboard, e->code, e->down);
    } else if (e->kind == INPUT_KEY) {
        keyboard_key(&s->keyboard, e->code, e->down);
    } else if (e->kind == INPUT_POINTER) {
        move_pointer(s, e);
    } else {
        keyboard_release_all(&s->keyboard);
        s->pointer_known = false;
    }
}

static uint64_t vnc_refresh(void *viewer)
{
    struct vnc *s = viewer;
    struct input_event e;
    unsigned clients;

    while (keyboard_ready(&s->keyboard) && input_queue_take(&s->input, &e))
        take_event(s, &e);
    pthread_mutex_lock(&s->queue_lock);
    clients = s->clients;
    pthread_mutex_unlock(&s->queue_lock);
    if (!clients && s->picture.surface.pixels)
        return CLOCK_NEVER; /* the next client wakes us */
    if (pthread_mutex_trylock(&s->lock) == 0) {
        draw(s);
        pthread_mutex_unlock(&s->lock);
        wake_server(s);
    }
    return VIEWER_REFRESH_NS;
}

/* ---- begin and end ---- */

static int read_password(struct vnc *s, struct display_error *err)
{
    const char *path = s->cfg.vnc.password_file;
    char line[256];
    FILE *in;

    if (!*path)
        return 0;
    in = fopen(path, "re");
    if (!in)
        return viewer_fail(err, -errno, "the VNC password's file %s: %s", path, strerror(errno));
    if (!fgets(line, sizeof(line), in))
        line[0] = 0;
    fclose(in);
    line[strcspn(line, "\r\n")] = 0;
    if (!*line)
        return viewer_fail(err, -EINVAL, "the VNC password's file %s has no first line", path);
    if (strlen(line) > VNC_PASSWORD_BYTES)
        return viewer_fail(err, -EINVAL,
                           "the VNC password is longer than the protocol's %u characters",
                           VNC_PASSWORD_BYTES);
    memcpy(s->password, line, strlen(line) + 1);
    s->passwords[0] = s->password;
    s->screen->authPasswdData = s->passwords;
    s->screen->passwordCheck = rfbCheckPasswordByList;
    return 0;
}

static void set_up(struct vnc *s)
{
    rfbScreenInfoPtr screen = s->screen;

    screen->screenData = s;
    screen->desktopName = "Dragoman";
    screen->frameBuffer = NULL;
    screen->alwaysShared = TRUE;
    screen->autoPort = FALSE;
    screen->port = s->cfg.vnc.port;
    screen->listenInterface = htonl(s->cfg.vnc.address);
    screen->ipv6port = 0;
    screen->httpDir = NULL;
    screen->cursor = NULL; /* the guest draws its own */
    screen->deferUpdateTime = 0;
    screen->maxClientWait = CLIENT_WAIT_MS;
    screen->kbdAddEvent = on_key;
    screen->ptrAddEvent = on_pointer;
    screen->newClientHook = on_client;
}

static int fail_listen(const struct vnc *s, struct display_error *err, int rc, unsigned port)
{
    const uint32_t a = s->cfg.vnc.address;

    return viewer_fail(err, rc,
                       "VNC can't listen on port %u of %u.%u.%u.%u: it is taken,"
                       " or the address is not this host's",
                       port, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

/* The page and its websockets, when all else is ready. */
static int open_web(struct vnc *s, struct display_error *err)
{
    const struct vnc_config *v = &s->cfg.vnc;
    const struct web_config cfg = {
        .address = v->address,
        .port = v->web_port,
        .dir = v->page_dir,
        .start = PAGE,
        .any_host = s->password[0] != 0,
        .upgrade = on_upgrade,
        .opaque = s,
    };
    char path[sizeof(v->page_dir) + sizeof(PAGE)];
    int rc;

    if (!v->web_port)
        return 0;
    snprintf(path, sizeof(path), "%s/%.*s", v->page_dir, (int)strcspn(PAGE, "?"), PAGE);
    if (v->page_wanted && access(path, R_OK) < 0)
        return viewer_fail(err, -errno,
                           "there is no %s, the web page: install noVNC (Debian's package novnc),"
                           " or say where it is with page=DIR",
                           path);
    rc = web_open(&s->web, &cfg);
    return rc < 0 ? fail_listen(s, err, rc, v->web_port) : 0;
}

static int start(struct vnc *s, struct display_error *err)
{
    const struct vnc_config *v = &s->cfg.vnc;
    int rc;

    rfbLogEnable(FALSE);
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->screen = rfbGetScreen(NULL, NULL, 640, 480, 8, 3, 4);
    if (s->wake_fd < 0 || !s->screen)
        return viewer_fail(err, -ENOMEM, "no memory for the VNC server");
    set_up(s);
    rc = read_password(s, err);
    if (rc < 0)
        return rc;
    if (!draw(s))
        return viewer_fail(err, -ENOMEM, "no memory for the VNC server");
    if (v->places)
        understand_places(s);
    rfbInitServer(s->screen);
    if (v->port && s->screen->listenSock == RFB_INVALID_SOCKET)
        return fail_listen(s, err, -EADDRINUSE, v->port);
    rc = open_web(s, err);
    if (rc < 0)
        return rc;
    rc = thread_start(&s->thread, serve, s);
    s->running = rc == 0;
    return rc < 0 ? viewer_fail(err, rc, "can't start the VNC thread: %s", strerror(-rc)) : 0;
}

static void vnc_close(void *viewer)
{
    struct vnc *s = viewer;

    web_close(s->web);
    s->stop = true;
    if (s->running) {
        wake_server(s);
        pthread_join(s->thread, NULL);
    }
    for (int fd = take_upgraded(s); fd >= 0; fd = take_upgraded(s))
        close(fd);
    rfbUnregisterProtocolExtension(&s->places);
    if (s->screen) {
        rfbShutdownServer(s->screen, TRUE);
        s->screen->frameBuffer = NULL; /* the picture's */
        rfbScreenCleanup(s->screen);
    }
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    picture_free(&s->picture);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->queue_lock);
    input_queue_free(&s->input);
    free(s);
}

static int vnc_open(void **viewer, const struct display_config *cfg, struct display_error *err)
{
    struct vnc *s;
    int rc;

    if (!cfg->vnc.on)
        return 0;
    s = calloc(1, sizeof(*s));
    if (!s)
        return viewer_fail(err, -ENOMEM, "no memory for the VNC server");
    s->cfg = *cfg;
    s->keyboard.sink = cfg->input;
    s->wake_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->queue_lock, NULL);
    input_queue_init(&s->input);
    rc = start(s, err);
    if (rc < 0) {
        vnc_close(s);
        return rc;
    }
    *viewer = s;
    return 0;
}

const struct viewer_ops viewer_vnc = {vnc_open, vnc_refresh, vnc_close};
