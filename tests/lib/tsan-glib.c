/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells ThreadSanitizer what GLib's locks do. GMutex and GCond are futexes inside of libglib, which is not built with
 * the sanitizer, so that every access under a GMutex would look like a race. This module is preloaded before
 * libglib in the tests of a build with --enable-tsan; it calls the real function and says what it orders. What
 * GLib does by pthread functions (GRecMutex, GRWLock, GThread) the sanitizer sees by itself. */
#include <dlfcn.h>
#include <gio/gio.h>
#include <gmodule.h>

/* of the sanitizer's runtime, which programs that are not instrumented do not have */
void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

/* the real function, looked up once; a race of two threads writes the same value twice */
#define REAL(name) \
	__extension__({ \
		static gpointer real; \
		gpointer found = __atomic_load_n(&real, __ATOMIC_ACQUIRE); \
		if (found == NULL) { \
			found = dlsym(RTLD_NEXT, #name); \
			__atomic_store_n(&real, found, __ATOMIC_RELEASE); \
		} \
		(__typeof__(&name))found; \
	})

static void
tsan_acquire(volatile void *address)
{
	if (__tsan_acquire != NULL)
		__tsan_acquire((void *)address);
}

static void
tsan_release(volatile void *address)
{
	if (__tsan_release != NULL)
		__tsan_release((void *)address);
}

/* A reference given up: who gives up the last one frees, after everything that the others did. */
static void
tsan_unref(gpointer object)
{
	if (object == NULL)
		return;
	tsan_acquire(object);
	tsan_release(object);
}

G_MODULE_EXPORT void
g_mutex_lock(GMutex *mutex)
{
	REAL(g_mutex_lock)(mutex);
	tsan_acquire(mutex);
}

G_MODULE_EXPORT gboolean
g_mutex_trylock(GMutex *mutex)
{
	gboolean locked = REAL(g_mutex_trylock)(mutex);
	if (locked)
		tsan_acquire(mutex);
	return locked;
}

G_MODULE_EXPORT void
g_mutex_unlock(GMutex *mutex)
{
	tsan_release(mutex);
	REAL(g_mutex_unlock)(mutex);
}

G_MODULE_EXPORT void
g_cond_wait(GCond *cond, GMutex *mutex)
{
	tsan_release(mutex);
	REAL(g_cond_wait)(cond, mutex);
	tsan_acquire(mutex);
}

G_MODULE_EXPORT gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
	tsan_release(mutex);
	gboolean signalled = REAL(g_cond_wait_until)(cond, mutex, end_time);
	tsan_acquire(mutex);
	return signalled;
}

/* the macros around these read the location atomically, which the sanitizer sees */
#undef g_once_init_enter
#undef g_once_init_leave

G_MODULE_EXPORT
gboolean(g_once_init_enter)(volatile void *location)
{
	gboolean first = REAL(g_once_init_enter)(location);
	tsan_acquire(location);
	return first;
}

G_MODULE_EXPORT void(g_once_init_leave)(volatile void *location, gsize result)
{
	tsan_release(location);
	REAL(g_once_init_leave)(location, result);
}

G_MODULE_EXPORT void
g_bytes_unref(GBytes *bytes)
{
	tsan_unref(bytes);
	REAL(g_bytes_unref)(bytes);
}

G_MODULE_EXPORT void
g_ptr_array_unref(GPtrArray *array)
{
	tsan_unref(array);
	REAL(g_ptr_array_unref)(array);
}

G_MODULE_EXPORT void
g_array_unref(GArray *array)
{
	tsan_unref(array);
	REAL(g_array_unref)(array);
}

G_MODULE_EXPORT void
g_hash_table_unref(GHashTable *table)
{
	tsan_unref(table);
	REAL(g_hash_table_unref)(table);
}

#undef g_object_unref
G_MODULE_EXPORT void
g_object_unref(gpointer object)
{
	tsan_unref(object);
	REAL(g_object_unref)(object);
}
