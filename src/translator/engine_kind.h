/* engine_kind.h - the engines there are. */
#ifndef DRAGOMAN_TRANSLATOR_ENGINE_KIND_H
#define DRAGOMAN_TRANSLATOR_ENGINE_KIND_H

enum engine_kind { ENGINE_BT, ENGINE_INTERP };

#endif
