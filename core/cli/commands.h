/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/cli/cli.h"

G_BEGIN_DECLS

/* Each is in the file of its name. */
extern const PvCommand pv_command_add;
extern const PvCommand pv_command_audit_verify;
extern const PvCommand pv_command_ca_approve;
extern const PvCommand pv_command_directory_check;
extern const PvCommand pv_command_directory_delegate;
extern const PvCommand pv_command_ca_check;
extern const PvCommand pv_command_ca_deny;
extern const PvCommand pv_command_ca_pending;
extern const PvCommand pv_command_ca_revoke;
extern const PvCommand pv_command_ca_try;
extern const PvCommand pv_command_certificate_check;
extern const PvCommand pv_command_certificate_export;
extern const PvCommand pv_command_certificate_install; /* certificate-request.c */
extern const PvCommand pv_command_certificate_request;
extern const PvCommand pv_command_certificate_thumbprint;
extern const PvCommand pv_command_complete;
extern const PvCommand pv_command_export;
extern const PvCommand pv_command_help;
extern const PvCommand pv_command_import;
extern const PvCommand pv_command_key_create;
extern const PvCommand pv_command_key_rotate;
extern const PvCommand pv_command_log;
extern const PvCommand pv_command_pipeline_check;
extern const PvCommand pv_command_pipeline_graph;
extern const PvCommand pv_command_plan;
extern const PvCommand pv_command_plugin_list;
extern const PvCommand pv_command_plugin_show;
extern const PvCommand pv_command_provision;
extern const PvCommand pv_command_psk_add;
extern const PvCommand pv_command_psk_import; /* setup-bin.c */
extern const PvCommand pv_command_psk_list;
extern const PvCommand pv_command_psk_remove;
extern const PvCommand pv_command_remove;
extern const PvCommand pv_command_cancel;
extern const PvCommand pv_command_reset;
extern const PvCommand pv_command_secret_list;
extern const PvCommand pv_command_secret_remove;
extern const PvCommand pv_command_secret_set;
extern const PvCommand pv_command_secret_show;
extern const PvCommand pv_command_set;
extern const PvCommand pv_command_setup_bin_create;
extern const PvCommand pv_command_setup_bin_show;
extern const PvCommand pv_command_show;
extern const PvCommand pv_command_site_check;
extern const PvCommand pv_command_site_init;
extern const PvCommand pv_command_status;
extern const PvCommand pv_command_verify;

G_END_DECLS
