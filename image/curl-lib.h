/*
 * curl-lib.h - libcurl, opened when it is first needed.
 *
 * libcurl brings some thirty libraries. Only pull and login want it, so it is
 * opened by dlopen(3): every other verb starts without it, and works on a host
 * that has none.
 */
#pragma once
#define CURL_DISABLE_TYPECHECK /* its macros would not let us call through pointers */
#include <curl/curl.h>
#include "base/err.h"

#define CURL_LIB_FUNCTIONS(X)                                                                      \
	X(curl_global_init)                                                                        \
	X(curl_easy_init)                                                                          \
	X(curl_easy_cleanup)                                                                       \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_reset)                                                                         \
	X(curl_easy_getinfo)                                                                       \
	X(curl_easy_pause)                                                                         \
	X(curl_easy_strerror)                                                                      \
	X(curl_multi_init)                                                                         \
	X(curl_multi_cleanup)                                                                      \
	X(curl_multi_add_handle)                                                                   \
	X(curl_multi_remove_handle)                                                                \
	X(curl_multi_perform)                                                                      \
	X(curl_multi_poll)                                                                         \
	X(curl_multi_info_read)                                                                    \
	X(curl_slist_append)                                                                       \
	X(curl_slist_free_all)                                                                     \
	X(curl_url)                                                                                \
	X(curl_url_cleanup)                                                                        \
	X(curl_url_set)                                                                            \
	X(curl_url_get)                                                                            \
	X(curl_free)                                                                               \
	X(curl_getdate)

struct curl_lib {
#define X(name) __typeof__(name) *name;
	CURL_LIB_FUNCTIONS(X)
#undef X
};
extern struct curl_lib curl;

/* Fills `curl`. Not thread-safe: call it before there are threads. Again: does nothing. */
int curl_lib_open(struct err *e);
