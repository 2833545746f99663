/* A window on the host's desktop: SDL 2 in a thread of its own, which alone may speak to it.
 *
 * The vCPU thread draws into the picture under `lock`, notes which rows are new, and pushes an
 * event. Keys go by their place, so the guest's layout is the one that counts. The mouse belongs to
 * the guest while it is grabbed: from a click into the window until Ctrl-Alt-G, as in QEMU.
 */
#include "display/viewer.h"

#define SDL_MAIN_HANDLED
#include <SDL2/SDL.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "display/hid_keys.h"
#include "display/input_queue.h"
#include "display/picture.h"
#include "host/thread.h"

struct sdl {
    struct display_config cfg;
    struct keyboard keyboard;
    struct input_queue input;
    pthread_t thread;
    sem_t started;
    bool running;
    volatile bool ready; /* the thread may be sent events */
    volatile bool stop;
    uint32_t wake_event;
    char why[128]; /* there is no window */

    pthread_mutex_t lock; /* of what follows */
    struct picture picture;
    struct vga_rows fresh; /* not in the window yet */
    bool resized;

    SDL_Window *window; /* the thread's */
    bool grabbed;
    unsigned buttons;
};

/* ---- the window's thread ---- */

static void queue(struct sdl *s, struct input_event e)
{
    input_queue_put(&s->input, &e);
    s->cfg.wake(s->cfg.opaque);
}

static void set_grab(struct sdl *s, bool grab)
{
    char title[256];

    s->grabbed = grab;
    s->buttons = 0;
    SDL_SetRelativeMouseMode(grab ? SDL_TRUE : SDL_FALSE);
    SDL_SetWindowGrab(s->window, grab ? SDL_TRUE : SDL_FALSE);
    snprintf(title, sizeof(title), "%s%s", s->cfg.name,
             grab ? " - press Ctrl-Alt-G to release the mouse" : "");
    SDL_SetWindowTitle(s->window, title);
    queue(s, (struct input_event){.kind = INPUT_GONE});
}

/* The rows of the picture into the window; the lock is held. */
static void copy_rows(struct sdl *s, SDL_Surface *to, struct vga_rows rows)
{
    const struct vga_surface *p = &s->picture.surface;
    SDL_Surface *from = SDL_CreateRGBSurfaceWithFormatFrom(
        p->pixels, (int)p->width, (int)p->height, 32, (int)(p->stride * sizeof(*p->pixels)),
        SDL_PIXELFORMAT_RGB888);
    SDL_Rect area = {0, (int)rows.first, (int)p->width, (int)(rows.end - rows.first)};

    if (!from)
        return;
    SDL_BlitSurface(from, &area, to, &(SDL_Rect){.x = area.x, .y = area.y});
    SDL_FreeSurface(from);
    SDL_UpdateWindowSurfaceRects(s->window, &area, 1);
}

/* whole: what the window shows is lost. */
static void show(struct sdl *s, bool whole)
{
    SDL_Surface *surface;

    pthread_mutex_lock(&s->lock);
    if (s->resized)
        SDL_SetWindowSize(s->window, (int)s->picture.surface.width, (int)s->picture.surface.height);
    if (s->resized || whole)
        s->fresh = (struct vga_rows){0, s->picture.surface.height};
    surface = SDL_GetWindowSurface(s->window);
    if (surface && s->fresh.end > s->fresh.first)
        copy_rows(s, surface, s->fresh);
    s->resized = false;
    s->fresh = (struct vga_rows){0, 0};
    pthread_mutex_unlock(&s->lock);
}

static void on_key(struct sdl *s, const SDL_KeyboardEvent *e)
{
    bool down = e->type == SDL_KEYDOWN;
    unsigned key = hid_key_of(e->keysym.scancode);

    if (e->keysym.scancode == SDL_SCANCODE_G && (e->keysym.mod & KMOD_CTRL) &&
        (e->keysym.mod & KMOD_ALT)) {
        if (down && !e->repeat)
            set_grab(s, !s->grabbed);
    } else if (key) {
        queue(s, (struct input_event){.kind = INPUT_KEY, .code = key, .down = down});
    }
}

static void move(struct sdl *s, int x, int y, int z)
{
    queue(s, (struct input_event){
                 .kind = INPUT_MOTION, .x = x, .y = y, .z = z, .buttons = s->buttons});
}

static void on_button(struct sdl *s, const SDL_MouseButtonEvent *e)
{
    static const uint8_t bits[] = {
        [SDL_BUTTON_LEFT] = 1 << 0, [SDL_BUTTON_RIGHT] = 1 << 1, [SDL_BUTTON_MIDDLE] = 1 << 2};
    unsigned bit = e->button < ARRAY_SIZE(bits) ? bits[e->button] : 0;

    if (!s->grabbed) {
        if (e->type == SDL_MOUSEBUTTONUP)
            set_grab(s, true);
        return;
    }
    s->buttons = e->type == SDL_MOUSEBUTTONDOWN ? s->buttons | bit : s->buttons & ~bit;
    move(s, 0, 0, 0);
}

static void on_window(struct sdl *s, const SDL_WindowEvent *e)
{
    if (e->event == SDL_WINDOWEVENT_EXPOSED || e->event == SDL_WINDOWEVENT_SIZE_CHANGED)
        show(s, true);
    else if (e->event == SDL_WINDOWEVENT_FOCUS_LOST)
        set_grab(s, false);
}

static void handle(struct sdl *s, const SDL_Event *e)
{
    if (e->type == s->wake_event)
        show(s, false);
    else if (e->type == SDL_KEYDOWN || e->type == SDL_KEYUP)
        on_key(s, &e->key);
    else if (e->type == SDL_MOUSEBUTTONDOWN || e->type == SDL_MOUSEBUTTONUP)
        on_button(s, &e->button);
    else if (e->type == SDL_MOUSEMOTION && s->grabbed)
        move(s, e->motion.xrel, e->motion.yrel, 0);
    else if (e->type == SDL_MOUSEWHEEL && s->grabbed)
        move(s, 0, 0, -e->wheel.y);
    else if (e->type == SDL_WINDOWEVENT)
        on_window(s, &e->window);
    else if (e->type == SDL_QUIT)
        queue(s, (struct input_event){.kind = INPUT_CLOSE});
}

/* SDL's own handlers of SIGINT and SIGTERM would take the monitor's place; the rest is for plain
 * memory instead of OpenGL, and for keys that the desktop would take while all is grabbed. */
static void set_hints(void)
{
    static const char *const hints[][2] = {
        {SDL_HINT_NO_SIGNAL_HANDLERS, "1"},
        {SDL_HINT_FRAMEBUFFER_ACCELERATION, "0"},
        {SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1"},
        {SDL_HINT_GRAB_KEYBOARD, "1"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(hints); i++)
        SDL_SetHint(hints[i][0], hints[i][1]);
}

static bool open_window(struct sdl *s)
{
    set_hints();
    SDL_SetMainReady();
    if (SDL_Init(SDL_INIT_VIDEO) < 0)
        return false;
    s->wake_event = SDL_RegisterEvents(1);
    s->window = SDL_CreateWindow(s->cfg.name, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED,
                                 (int)s->picture.surface.width, (int)s->picture.surface.height, 0);
    return s->window != NULL;
}

static void *run(void *arg)
{
    struct sdl *s = arg;
    SDL_Event e;

    s->ready = open_window(s);
    if (!s->ready)
        snprintf(s->why, sizeof(s->why), "%s", SDL_GetError());
    sem_post(&s->started);
    if (s->ready)
        show(s, true);
    while (s->ready && !s->stop && SDL_WaitEvent(&e))
        handle(s, &e);
    if (s->window)
        SDL_DestroyWindow(s->window);
    SDL_Quit();
    return NULL;
}

/* ---- the vCPU thread ---- */

static void wake_window(struct sdl *s)
{
    SDL_Event e = {.type = s->wake_event};

    SDL_PushEvent(&e);
}

static void take_event(struct sdl *s, const struct input_event *e)
{
    const struct input_sink *sink = &s->cfg.input;

    if (e->kind == INPUT_KEY)
        keyboard_key(&s->keyboard, e->code, e->down);
    else if (e->kind == INPUT_MOTION && sink->mouse)
        sink->mouse(sink->opaque, e->x, e->y, e->z, e->buttons);
    else if (e->kind == INPUT_GONE)
        keyboard_release_all(&s->keyboard);
    else if (e->kind == INPUT_CLOSE && s->cfg.close)
        s->cfg.close(s->cfg.opaque);
}

/* The lock is held. True: there is something new. */
static bool draw(struct sdl *s)
{
    const uint32_t *before = s->picture.surface.pixels;
    struct vga_rows rows;

    if (picture_update(&s->picture, s->cfg.vga, &rows) < 0)
        return false;
    if (s->picture.surface.pixels != before)
        s->resized = true;
    if (rows.end <= rows.first)
        return s->resized;
    if (s->fresh.end <= s->fresh.first)
        s->fresh = rows;
    if (rows.first < s->fresh.first)
        s->fresh.first = rows.first;
    if (rows.end > s->fresh.end)
        s->fresh.end = rows.end;
    return true;
}

static uint64_t sdl_refresh(void *viewer)
{
    struct sdl *s = viewer;
    struct input_event e;
    bool news = false;

    while (keyboard_ready(&s->keyboard) && input_queue_take(&s->input, &e))
        take_event(s, &e);
    if (pthread_mutex_trylock(&s->lock) == 0) {
        news = draw(s);
        pthread_mutex_unlock(&s->lock);
    }
    if (news)
        wake_window(s);
    return VIEWER_REFRESH_NS;
}

/* ---- begin and end ---- */

static void sdl_close(void *viewer)
{
    struct sdl *s = viewer;

    s->stop = true;
    if (s->ready)
        wake_window(s);
    if (s->running)
        pthread_join(s->thread, NULL);
    picture_free(&s->picture);
    input_queue_free(&s->input);
    pthread_mutex_destroy(&s->lock);
    sem_destroy(&s->started);
    free(s);
}

static int start(struct sdl *s, struct display_error *err)
{
    struct vga_rows rows;
    int rc = picture_update(&s->picture, s->cfg.vga, &rows);

    if (rc == 0)
        rc = thread_start(&s->thread, run, s);
    if (rc < 0)
        return viewer_fail(err, rc, "the window: %s", strerror(-rc));
    s->running = true;
    while (sem_wait(&s->started) < 0)
        ;
    if (!s->ready)
        return viewer_fail(err, -ENODEV,
                           "SDL can't open a window: %s; -display web and -vnc need no desktop",
                           s->why);
    return 0;
}

static int sdl_open(void **viewer, const struct display_config *cfg, struct display_error *err)
{
    struct sdl *s;
    int rc;

    if (!cfg->sdl)
        return 0;
    s = calloc(1, sizeof(*s));
    if (!s)
        return viewer_fail(err, -ENOMEM, "no memory for the window");
    s->cfg = *cfg;
    s->keyboard.sink = cfg->input;
    input_queue_init(&s->input);
    pthread_mutex_init(&s->lock, NULL);
    sem_init(&s->started, 0, 0);
    rc = start(s, err);
    if (rc < 0) {
        sdl_close(s);
        return rc;
    }
    *viewer = s;
    return 0;
}

const struct viewer_ops viewer_sdl = {sdl_open, sdl_refresh, sdl_close};
