// A client of TLS as Java was one for long: with a hello in the form of SSLv2, and with 3DES. Echoes a message over
// version 13.
//
//   OldTls HOST PORT PROTOCOLS SUITES     lists with commas, as "SSLv2Hello,TLSv1"; SUITES may be "default"

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.Security;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

public class OldTls {
    public static void main(String[] arguments) throws Exception {
        // What today's Java would not do by itself.
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        TrustManager anybody = new X509TrustManager() {
            public void checkClientTrusted(X509Certificate[] chain, String kind) {}
            public void checkServerTrusted(X509Certificate[] chain, String kind) {}
            public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
        };
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {anybody}, null);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(arguments[0], Integer.parseInt(arguments[1]))) {
            socket.setSoTimeout(30000);
            socket.setEnabledProtocols(arguments[2].split(","));
            if (!arguments[3].equals("default")) socket.setEnabledCipherSuites(arguments[3].split(","));
            socket.startHandshake();
            OutputStream out = socket.getOutputStream();
            String head = "GET /echo HTTP/1.1\r\nHost: old.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            out.write(head.getBytes(StandardCharsets.US_ASCII));
            InputStream in = socket.getInputStream();
            StringBuilder answer = new StringBuilder();
            while (answer.indexOf("\r\n\r\n") < 0) answer.append((char) in.read());
            if (!answer.toString().startsWith("HTTP/1.1 101 ")) throw new Exception(answer.toString());
            out.write(new byte[] {(byte) 0x81, (byte) 0x82, 0, 0, 0, 0, 'h', 'i'});
            byte[] echo = in.readNBytes(4);
            if (echo[0] != (byte) 0x81 || echo[1] != 2 || echo[2] != 'h' || echo[3] != 'i') throw new Exception("no echo");
            System.out.println("PASS " + socket.getSession().getProtocol() + " " + socket.getSession().getCipherSuite());
        }
    }
}
