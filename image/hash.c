/*
 * hash.c - SHA-256 through EVP (EVP_DigestInit(3ssl)).
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "image/hash.h"

int hash_begin_as(struct hash *h, const struct digest *like, struct err *e)
{
	bool wide = like && strcmp(digest_algorithm(like), "sha512") == 0;

	if (h->context == NULL)
		h->context = EVP_MD_CTX_new();
	if (h->context == NULL || 
	    EVP_DigestInit_ex(h->context, wide ? EVP_sha512() : EVP_sha256(), NULL) != 1)
		return err_set(e, ENOMEM, "cannot start sha256");
	return 0;
}

int hash_begin(struct hash *h, struct err *e)
{
	return hash_begin_as(h, NULL, e);
}

void hash_add(struct hash *h, const void *data, size_t size)
{
	EVP_DigestUpdate(h->context, data, size);
}

void hash_end(struct hash *h, struct digest *ret)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE] = { 0 };
	unsigned int size = 0;
	unsigned int i;

	EVP_DigestFinal_ex(h->context, raw, &size);
	for (i = 0; i < size && i < DIGEST_HEX_MAX / 2; i++) {
		ret->hex[2 * i] = hex[raw[i] >> 4];
		ret->hex[2 * i + 1] = hex[raw[i] & 15];
	}
	ret->hex[2 * i] = '\0';
}

void hash_free(struct hash *h)
{
	EVP_MD_CTX_free(h->context);
	h->context = NULL;
}

int hash_memory(const void *data, size_t size, struct digest *ret, struct err *e)
{
	return hash_memory_as(data, size, NULL, ret, e);
}

int hash_memory_as(const void *data, size_t size, const struct digest *like, struct digest *ret,
		   struct err *e)
{
	_cleanup_hash_ struct hash h = HASH_INIT;
	int error = hash_begin_as(&h, like, e);

	if (error)
		return error;
	hash_add(&h, data, size);
	hash_end(&h, ret);
	return 0;
}

int hash_chain(const struct digest *parent, const struct digest *diffid, struct digest *ret,
	       struct err *e)
{
	char text[2 * (sizeof("sha256:") + DIGEST_HEX_MAX)];

	if (parent == NULL && strcmp(digest_algorithm(diffid), "sha256") == 0) {
		*ret = *diffid;
		return 0;
	}
	snprintf(text, sizeof(text), "%s %s", parent ? digest_text(parent).text : "",
		 digest_text(diffid).text);
	return hash_memory(text, strlen(text), ret, e);
}
