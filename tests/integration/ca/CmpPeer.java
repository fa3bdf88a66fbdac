// SPDX-License-Identifier: LGPL-2.1-or-later
// A CA that speaks CMP, on BouncyCastle: it issues what a PKCS#10 asks for, makes people wait, denies and revokes. For tests.
// java -cp ... CmpPeer.java FOLDER REFERENCE SECRET [polls=N] [deny=TEXT] [other]: prints "ready PORT"; FOLDER has ca.pem, ca.key
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.FileReader;
import java.io.FileWriter;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Security;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.cmp.*;
import org.bouncycastle.asn1.pkcs.CertificationRequest;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.cmp.GeneralPKIMessage;
import org.bouncycastle.cert.cmp.ProtectedPKIMessage;
import org.bouncycastle.cert.cmp.ProtectedPKIMessageBuilder;
import org.bouncycastle.cert.crmf.PKMACBuilder;
import org.bouncycastle.cert.crmf.jcajce.JcePKMACValuesCalculator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;

public class CmpPeer {
	private static final long DAY = 86400000L;
	private static final ASN1Integer REQUEST = new ASN1Integer(-1); // of a PKCS#10, RFC 9480

	private final String folder;
	private final byte[] reference;
	private final char[] secret;
	private final Map<String, String> options = new HashMap<>();
	private final X509CertificateHolder authority;
	private final PrivateKey key;
	private final Map<String, X509CertificateHolder> made = new HashMap<>();
	private final Map<String, Integer> left = new HashMap<>();

	private CmpPeer(String[] arguments) throws Exception {
		folder = arguments[0];
		reference = arguments[1].getBytes();
		secret = arguments[2].toCharArray();
		for (String option : Arrays.copyOfRange(arguments, 3, arguments.length)) {
			String[] parts = option.split("=", 2);
			options.put(parts[0], parts.length > 1 ? parts[1] : "");
		}
		authority = (X509CertificateHolder) readPem("ca.pem");
		Object stored = readPem("ca.key");
		PrivateKeyInfo info = stored instanceof PEMKeyPair ? ((PEMKeyPair) stored).getPrivateKeyInfo() : (PrivateKeyInfo) stored;
		key = new JcaPEMKeyConverter().getPrivateKey(info);
	}

	private Object readPem(String name) throws Exception {
		try (PEMParser parser = new PEMParser(new FileReader(folder + "/" + name))) {
			return parser.readObject();
		}
	}

	private void log(String line) throws Exception {
		try (FileWriter log = new FileWriter(folder + "/peer.log", true)) {
			log.write(line + "\n");
		}
	}

	private static ContentVerifierProvider verifierOf(X509CertificateHolder certificate) throws Exception {
		return new JcaContentVerifierProviderBuilder().build(certificate);
	}

	private X509CertificateHolder issue(PKCS10CertificationRequest asked) throws Exception {
		SubjectPublicKeyInfo subjectKey = asked.getSubjectPublicKeyInfo();
		if (!asked.isSignatureValid(new JcaContentVerifierProviderBuilder().build(subjectKey)))
			throw new IllegalArgumentException("the request is not signed with its key");
		if (options.containsKey("other"))
			subjectKey = SubjectPublicKeyInfo.getInstance(KeyPairGenerator.getInstance("RSA").generateKeyPair().getPublic().getEncoded());
		long now = System.currentTimeMillis();
		X509v3CertificateBuilder builder = new X509v3CertificateBuilder(authority.getSubject(), new BigInteger(150, new SecureRandom()),
			new Date(now - 60000), new Date(now + 90 * DAY), asked.getSubject(), subjectKey);
		Extensions wanted = asked.getRequestedExtensions();
		for (ASN1ObjectIdentifier type : new ASN1ObjectIdentifier[] { Extension.subjectAlternativeName, Extension.extendedKeyUsage })
			if (wanted != null && wanted.getExtension(type) != null)
				builder.addExtension(wanted.getExtension(type));
		return builder.build(new JcaContentSignerBuilder("SHA256withRSA").build(key));
	}

	private boolean isProtected(GeneralPKIMessage message) {
		try {
			ProtectedPKIMessage sealed = new ProtectedPKIMessage(message);
			if (sealed.hasPasswordBasedMacProtection())
				return Arrays.equals(message.getHeader().getSenderKID().getOctets(), reference)
					&& sealed.verify(new PKMACBuilder(new JcePKMACValuesCalculator().setProvider("BC")), secret);
			for (X509CertificateHolder signer : sealed.getCertificates())
				if (signer.getIssuer().equals(authority.getSubject()) && signer.isSignatureValid(verifierOf(authority))
					&& sealed.verify(verifierOf(signer)))
					return true;
		} catch (Exception problem) {
			problem.printStackTrace();
		}
		return false;
	}

	private PKIBody answerWith(X509CertificateHolder issued) {
		CMPCertificate[] publics = { new CMPCertificate(authority.toASN1Structure()) };
		CertResponse response = issued == null
			? new CertResponse(REQUEST, new PKIStatusInfo(PKIStatus.waiting))
			: new CertResponse(REQUEST, new PKIStatusInfo(PKIStatus.granted),
				new CertifiedKeyPair(new CertOrEncCert(new CMPCertificate(issued.toASN1Structure()))), null);
		return new PKIBody(PKIBody.TYPE_CERT_REP, new CertRepMessage(publics, new CertResponse[] { response }));
	}

	private static PKIBody refuse(String text, int failure) {
		return new PKIBody(PKIBody.TYPE_ERROR, new ErrorMsgContent(
			new PKIStatusInfo(PKIStatus.rejection, new PKIFreeText(text), new PKIFailureInfo(failure))));
	}

	private PKIBody revoke(PKIBody body) throws Exception {
		RevDetails details = RevReqContent.getInstance(body.getContent()).toRevDetailsArray()[0];
		log("revoked " + details.getCertDetails().getSerialNumber().getValue().toString(16));
		RevRepContentBuilder builder = new RevRepContentBuilder();
		builder.add(new PKIStatusInfo(PKIStatus.granted));
		return new PKIBody(PKIBody.TYPE_REVOCATION_REP, builder.build());
	}

	private PKIBody decide(String transaction, PKIBody body) throws Exception {
		int polls = Integer.parseInt(options.getOrDefault("polls", "0"));
		switch (body.getType()) {
		case PKIBody.TYPE_P10_CERT_REQ:
			log("asked " + transaction);
			if (options.containsKey("deny"))
				return refuse(options.get("deny"), PKIFailureInfo.badCertTemplate);
			made.put(transaction, issue(new PKCS10CertificationRequest(CertificationRequest.getInstance(body.getContent()))));
			left.put(transaction, polls);
			return answerWith(polls > 0 ? null : made.get(transaction));
		case PKIBody.TYPE_POLL_REQ:
			if (!made.containsKey(transaction))
				return refuse("no such transaction", PKIFailureInfo.badRequest);
			if (left.merge(transaction, -1, Integer::sum) >= 0)
				return new PKIBody(PKIBody.TYPE_POLL_REP, new PollRepContent(REQUEST, new ASN1Integer(1)));
			return answerWith(made.get(transaction));
		case PKIBody.TYPE_CERT_CONFIRM:
			CertStatus[] statuses = CertConfirmContent.getInstance(body.getContent()).toCertStatusArray();
			boolean refused = statuses.length > 0 && statuses[0].getStatusInfo() != null
				&& statuses[0].getStatusInfo().getStatus().intValue() == PKIStatus.REJECTION;
			log((refused ? "refused " : "confirmed ") + transaction);
			return new PKIBody(PKIBody.TYPE_CONFIRM, DERNull.INSTANCE);
		case PKIBody.TYPE_GEN_MSG:
			return new PKIBody(PKIBody.TYPE_GEN_REP, new GenRepContent(new InfoTypeAndValue[0]));
		case PKIBody.TYPE_REVOCATION_REQ:
			return revoke(body);
		default:
			return refuse("that is not done here", PKIFailureInfo.badRequest);
		}
	}

	private byte[] handle(byte[] bytes) throws Exception {
		GeneralPKIMessage message = new GeneralPKIMessage(bytes);
		PKIHeader header = message.getHeader();
		ASN1OctetString transaction = header.getTransactionID();
		PKIBody body = isProtected(message) ? decide(transaction.toString(), message.getBody())
			: refuse("wrong protection", PKIFailureInfo.badMessageCheck);
		ProtectedPKIMessageBuilder builder = new ProtectedPKIMessageBuilder(new GeneralName(authority.getSubject()), header.getSender())
			.setBody(body).setMessageTime(new Date()).setTransactionID(transaction.getOctets())
			.setSenderNonce(new SecureRandom().generateSeed(16)).setRecipNonce(header.getSenderNonce().getOctets());
		boolean mac = header.getProtectionAlg().getAlgorithm().equals(CMPObjectIdentifiers.passwordBasedMac);
		if (mac)
			return builder.setSenderKID(reference).build(new PKMACBuilder(new JcePKMACValuesCalculator().setProvider("BC")).build(secret))
				.toASN1Structure().getEncoded();
		return builder.addCMPCertificate(authority).build(new JcaContentSignerBuilder("SHA256withRSA").build(key))
			.toASN1Structure().getEncoded();
	}

	private void serve(HttpExchange exchange) {
		try (exchange) {
			byte[] answer = handle(exchange.getRequestBody().readAllBytes());
			exchange.getResponseHeaders().set("Content-Type", "application/pkixcmp");
			exchange.sendResponseHeaders(200, answer.length);
			exchange.getResponseBody().write(answer);
		} catch (Exception problem) {
			problem.printStackTrace();
		}
	}

	public static void main(String[] arguments) throws Exception {
		Security.addProvider(new BouncyCastleProvider());
		CmpPeer peer = new CmpPeer(arguments);
		HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
		server.createContext("/", peer::serve);
		server.start();
		System.out.println("ready " + server.getAddress().getPort());
	}
}
