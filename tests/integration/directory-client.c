/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/site.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* directory-client SITE find|ensure|remove|password|sid NAME=VALUE...: one call of the directory's provider, for tests of
 * what no command or stage does. Values: name, fqdn, uuid, ou, id, server, types, password; spn and group may be repeated;
 * sid takes name. Prints what was found, or fails with the code and text of the error. */

typedef struct {
	PvAccountSpec spec;
	GPtrArray *spns, *groups; /* of text lent by argv, end with NULL */
	const char *password;
} Client;

static void
client_parse(Client *client, char **argv)
{
	for (; *argv != NULL; argv++) {
		char *value = strchr(*argv, '=');
		if (value == NULL)
			g_error("%s: NAME=VALUE is wanted", *argv);
		*value++ = '\0';
		const struct {
			const char *name, **place;
		} rows[] = { { "name", &client->spec.name }, { "fqdn", &client->spec.fqdn },
			{ "uuid", &client->spec.uuid }, { "ou", &client->spec.ou },
			{ "id", &client->spec.id }, { "server", &client->spec.server },
			{ "password", &client->password } };
		for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
			if (g_str_equal(*argv, rows[i].name))
				*rows[i].place = value;
		if (g_str_equal(*argv, "spn"))
			g_ptr_array_add(client->spns, value);
		if (g_str_equal(*argv, "group"))
			g_ptr_array_add(client->groups, value);
		if (g_str_equal(*argv, "types"))
			client->spec.encryption_types = (guint)atoi(value);
	}
	g_ptr_array_add(client->spns, NULL);
	g_ptr_array_add(client->groups, NULL);
	client->spec.spns = (const char *const *)client->spns->pdata;
	client->spec.groups = (const char *const *)client->groups->pdata;
}

static void
client_print(const PvAccount *account)
{
	if (account == NULL) {
		printf("none\n");
		return;
	}
	g_autofree char *spns = g_strjoinv(" ", account->spns);
	g_autofree char *groups = g_strjoinv("; ", account->groups);
	printf("dn: %s\naccount: %s\nsid: %s\nfqdn: %s\nrealm: %s\nsalt: %s\nkvno: %u\nid: "
	       "%s\nserver: %s\nspns: %s\ngroups: %s\n",
	    account->dn, account->account, account->sid, account->fqdn, account->realm,
	    account->salt, account->kvno, account->id, account->server, spns, groups);
	for (guint i = 0; account->differences != NULL && i < account->differences->len; i++) {
		const PvAccountDifference *row = account->differences->pdata[i];
		printf("difference: %s: %s -> %s\n", row->property,
		    row->from != NULL ? row->from : "", row->to);
	}
}

static gboolean
client_run(const PvSite *site, const char *command, const Client *client, GError **error)
{
	const PvDirectory *directory = site->directory;
	gpointer handle = site->directory_handle;
	g_autoptr(PvAccount) account = NULL;
	if (g_str_equal(command, "sid")) {
		g_autofree char *sid = directory->find_sid(handle, client->spec.name, NULL, error);
		if (sid != NULL)
			printf("%s\n", sid);
		return sid != NULL;
	}
	if (g_str_equal(command, "remove"))
		return directory->remove(handle, &client->spec, NULL, error);
	if (g_str_equal(command, "password")) {
		g_autoptr(PvSecret) password = pv_secret_new(client->password, -1);
		return directory->set_password(handle, &client->spec, password, NULL, error);
	}
	gboolean ok = g_str_equal(command, "ensure")
			  ? directory->ensure(handle, &client->spec, &account, NULL, error)
			  : directory->find(handle, &client->spec, &account, NULL, error);
	if (ok)
		client_print(account);
	return ok;
}

int
main(int argc, char **argv)
{
	setlocale(LC_ALL, "");
	if (argc < 4)
		g_error("directory-client SITE COMMAND NAME=VALUE...");
	pv_net_init();
	g_autoptr(GPtrArray) spns = g_ptr_array_new();
	g_autoptr(GPtrArray) groups = g_ptr_array_new();
	Client client = { .spec = { .uuid = "4c4c4544-0042-3010-8051-b4c04f4e3332" },
		.spns = spns,
		.groups = groups };
	client_parse(&client, argv + 3);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSite) site = pv_site_open(argv[1], "test", 0, &error);
	if (site != NULL && client_run(site, argv[2], &client, &error))
		return 0;
	printf("%s: %s\n", pv_error_get_name(error), error->message);
	return 1;
}
