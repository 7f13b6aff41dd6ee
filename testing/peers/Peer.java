// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** A peer of Weir's in Java; language_peer_test.py says what peers do. */
public class Peer {
  private static final int LINES = 3;
  private static final byte[] MUCH = makeMuch();
  private static final InetAddress HERE = InetAddress.getLoopbackAddress();

  private static byte[] makeMuch() {
    byte[] bytes = new byte[300000];
    for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) ('a' + i % 23);
    return bytes;
  }

  private static void endFirst(SSLSocket socket) throws IOException {
    socket.getOutputStream().write(MUCH);
    socket.shutdownOutput();
    if (!Arrays.equals(socket.getInputStream().readAllBytes(), MUCH)) {
      throw new IOException("something else came back");
    }
  }

  private static void endLast(SSLSocket socket) throws IOException {
    socket.getOutputStream().write(socket.getInputStream().readAllBytes());
  }

  private static void sendLines(SSLSocket socket) throws IOException {
    BufferedReader reader = new BufferedReader(new InputStreamReader(socket.getInputStream()));
    for (int i = 0; i < LINES; i++) {
      String line = "level " + i + " level";
      socket.getOutputStream().write((line + "\r\n").getBytes());
      if (!line.equals(reader.readLine())) throw new IOException("another line came back");
    }
  }

  private static void sendLinesBack(SSLSocket socket) throws IOException {
    socket.getInputStream().transferTo(socket.getOutputStream());
  }

  private static boolean hasCertificate(SSLSocket socket) {
    try {
      return socket.getSession().getPeerCertificates().length > 0;
    } catch (SSLPeerUnverifiedException none) {
      return false;
    }
  }

  private static void converse(SSLSocket socket, String talk, boolean server) throws IOException {
    socket.startHandshake();
    System.out.println("version=" + socket.getSession().getProtocol().substring(4) + " protocol="
        + socket.getApplicationProtocol() + " certificate=" + hasCertificate(socket));
    switch (talk) {
      case "first" -> endFirst(socket);
      case "last" -> endLast(socket);
      default -> {
        if (server) {
          sendLinesBack(socket);
        } else {
          sendLines(socket);
        }
      }
    }
    socket.close();
  }

  // Certificates

  private static Certificate[] readCertificates(Path path) throws Exception {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    byte[] text = Files.readAllBytes(path);
    return factory.generateCertificates(new ByteArrayInputStream(text))
        .toArray(new Certificate[0]);
  }

  private static PrivateKey readKey(Path path) throws Exception {
    String base64 = Files.readString(path).replaceAll("-----[A-Z ]*-----", "");
    byte[] der = Base64.getMimeDecoder().decode(base64);
    return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
  }

  /** With the certificate of this name; of none, if that is null. */
  private static SSLContext makeContext(String folder, String name) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setCertificateEntry("root", readCertificates(Path.of(folder, "root.pem"))[0]);
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    if (name != null) {
      store.setKeyEntry("own", readKey(Path.of(folder, name + ".key")), new char[0],
          readCertificates(Path.of(folder, name + ".pem")));
    }
    keys.init(store, new char[0]);
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  // The two roles

  private static void prepare(SSLSocket socket, String version, boolean client, boolean asks) {
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setProtocols(new String[] {"TLSv" + version});
    parameters.setApplicationProtocols(new String[] {"weir"});
    if (client) {
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      // By itself it sends no name without a dot.
      parameters.setServerNames(List.of(new SNIHostName("localhost")));
    }
    if (asks) parameters.setNeedClientAuth(true);
    socket.setSSLParameters(parameters);
    socket.setUseClientMode(client);
  }

  private static void listen(String folder, String[] words) throws Exception {
    SSLContext context = makeContext(folder, "server");
    try (ServerSocket listener = new ServerSocket(0, 1, HERE)) {
      System.out.println(listener.getLocalPort());
      try (Socket plain = listener.accept();
          SSLSocket socket =
              (SSLSocket) context.getSocketFactory().createSocket(plain, null, true)) {
        prepare(socket, words[2], false, words[3].equals("asks"));
        converse(socket, words[1], true);
      }
    }
  }

  private static void connect(String folder, String[] words) throws Exception {
    SSLContext context = makeContext(folder, words[3].equals("shows") ? "client" : null);
    int port = Integer.parseInt(words[4]);
    try (Socket plain = new Socket(HERE, port);
        SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(
            plain, "localhost", port, true)) {
      prepare(socket, words[2], true, false);
      converse(socket, words[1], false);
    }
  }

  public static void main(String[] words) throws IOException {
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = commands.readLine()) != null;) {
      String[] command = line.split(" ");
      try {
        if (command[0].equals("listen")) {
          listen(words[0], command);
        } else {
          connect(words[0], command);
        }
        System.out.println("done");
      } catch (Exception problem) {
        System.out.println("failed: " + problem.getMessage());
      }
    }
  }
}
