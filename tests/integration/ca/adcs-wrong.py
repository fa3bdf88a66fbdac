#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A web server between Provost and the enrolment service that swaps the request for another one: what comes back is a good
certificate of the right CA for the right name, of somebody else's key. Usage: adcs-wrong.py TLS-PEM REAL-PORT ROOT CSR-DER;
prints its port."""
import base64
import http.client
import http.server
import re
import ssl
import sys

tls, real, root, csr = sys.argv[1:5]
with open(csr, 'rb') as file:
	other = base64.b64encode(file.read())


class Swap(http.server.BaseHTTPRequestHandler):
	def log_message(self, *arguments):
		pass

	def do_POST(self):
		body = self.rfile.read(int(self.headers['Content-Length']))
		body = re.sub(rb'(<BinarySecurityToken [^>]*>)[^<]*', rb'\g<1>' + other, body)
		peer = http.client.HTTPSConnection('localhost', int(real), context=ssl.create_default_context(cafile=root))
		peer.request('POST', self.path, body, {'Content-Type': self.headers['Content-Type']})
		answer = peer.getresponse()
		text = answer.read()
		self.send_response(answer.status)
		self.send_header('Content-Type', answer.headers['Content-Type'])
		self.send_header('Content-Length', str(len(text)))
		self.end_headers()
		self.wfile.write(text)


server = http.server.HTTPServer(('127.0.0.1', 0), Swap)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(tls)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
