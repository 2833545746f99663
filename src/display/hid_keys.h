/* hid_keys.h - places on the keyboard (USB HID Usage Tables, keyboard page; SDL's scan codes) as
 * keys of the guest's. */
#ifndef DRAGOMAN_DISPLAY_HID_KEYS_H
#define DRAGOMAN_DISPLAY_HID_KEYS_H

/* As in devices/ps2_keys.h; 0: the guest's keyboard has no such key. */
unsigned hid_key_of(unsigned usage);

#endif
