/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* What the files of a dump write their members with */

static inline void
dump_string(JsonBuilder *builder, const char *name, const char *value)
{
	json_builder_set_member_name(builder, name);
	if (value != NULL)
		json_builder_add_string_value(builder, value);
	else
		json_builder_add_null_value(builder);
}

static inline void
dump_int(JsonBuilder *builder, const char *name, gint64 value)
{
	json_builder_set_member_name(builder, name);
	json_builder_add_int_value(builder, value);
}

static inline void
dump_bool(JsonBuilder *builder, const char *name, gboolean value)
{
	json_builder_set_member_name(builder, name);
	json_builder_add_boolean_value(builder, value);
}

static inline void
dump_begin_array(JsonBuilder *builder, const char *name)
{
	json_builder_set_member_name(builder, name);
	json_builder_begin_array(builder);
}

static inline void
dump_begin_object(JsonBuilder *builder, const char *name)
{
	if (name != NULL)
		json_builder_set_member_name(builder, name);
	json_builder_begin_object(builder);
}

/* Parts of pv_sim_dump_device() in files of their own */
void pv_sim_dump_features(JsonBuilder *builder, const PvSimDevice *device);
void pv_sim_dump_network(JsonBuilder *builder, const PvSimDevice *device);

G_END_DECLS
