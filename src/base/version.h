/* version.h - what the program calls itself. */
#ifndef DRAGOMAN_BASE_VERSION_H
#define DRAGOMAN_BASE_VERSION_H

#define DRAGOMAN_VERSION "0.1"

#endif
