#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Usage: est-double.py SERVER.pem ROOT.pem OTHER.pem
An EST server of our own for what a real one never does: whatever is asked for, it answers with the certificate OTHER, which is
somebody else's. Prints its port once it listens."""

import base64
import http.server
import ssl
import subprocess
import sys

server, root, other = sys.argv[1:]


def certs_only(path):
	der = subprocess.run(['openssl', 'crl2pkcs7', '-nocrl', '-certfile', path, '-outform', 'DER'],
		check=True, stdout=subprocess.PIPE).stdout
	return base64.encodebytes(der)


class Handler(http.server.BaseHTTPRequestHandler):
	protocol_version = 'HTTP/1.1'

	def answer(self, status, body):
		self.send_response(status)
		self.send_header('Content-Type', 'application/pkcs7-mime')
		self.send_header('Content-Length', str(len(body)))
		self.end_headers()
		self.wfile.write(body)

	def do_GET(self):
		if self.path.endswith('/cacerts'):
			self.answer(200, certs_only(root))
		else:
			self.answer(404, b'')

	def do_POST(self):
		self.rfile.read(int(self.headers.get('Content-Length', 0)))
		self.answer(200, certs_only(other))


httpd = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(server)
httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
print(httpd.server_address[1], flush=True)
httpd.serve_forever()
