/*
 * curl-lib.c - finding libcurl and its functions (dlopen(3)).
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include "image/curl-lib.h"

/* curl/curl.h wraps some in macros that check types; here the functions themselves are meant. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

struct curl_lib curl;

static int missing(struct err *e)
{
	err_say(e, ELIBACC, "cannot talk to registries: %s", dlerror());
	return err_fix(e, "install libcurl (Debian: libcurl4)");
}

int curl_lib_open(struct err *e)
{
	static bool done;
	void *lib;

	if (done)
		return 0;
	lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL)
		return missing(e);
#define X(name)                                                                                    \
	curl.name = (__typeof__(curl.name))dlsym(lib, #name);                                      \
	if (curl.name == NULL)                                                                     \
		return missing(e);
	CURL_LIB_FUNCTIONS(X)
#undef X
	if (curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_say(e, EIO, "libcurl cannot start");
	done = true;
	return 0;
}
