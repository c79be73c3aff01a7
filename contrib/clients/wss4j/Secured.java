import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.security.KeyStore;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.apache.wss4j.common.WSEncryptionPart;
import org.apache.wss4j.common.crypto.Merlin;
import org.apache.wss4j.dom.WSConstants;
import org.apache.wss4j.dom.engine.WSSConfig;
import org.apache.wss4j.dom.message.WSSecHeader;
import org.apache.wss4j.dom.message.WSSecSignature;
import org.apache.wss4j.dom.message.WSSecTimestamp;
import org.apache.wss4j.dom.message.WSSecUsernameToken;
import org.w3c.dom.Document;

/**
 * Secures an envelope with WSS4J, as Apache CXF does, and prints it.
 *
 * <p>java Secured KIND STORE PASSWORD < ENVELOPE; KIND is digest, text, or how a signature names its
 * certificate: direct, serial, key-identifier, thumbprint, embedded. STORE is a PKCS #12 file. The
 * user is joe; the password is that of the store as well.
 */
public final class Secured {
  public static void main(String[] arguments) throws Exception {
    String kind = arguments[0];
    String password = arguments[2];
    WSSConfig.init();
    DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
    factory.setNamespaceAware(true);
    Document document =
        factory.newDocumentBuilder().parse(new ByteArrayInputStream(System.in.readAllBytes()));
    WSSecHeader header = new WSSecHeader(document);
    header.setMustUnderstand(true);
    header.insertSecurityHeader();
    WSSecTimestamp timestamp = new WSSecTimestamp(header);
    timestamp.setTimeToLive(300);
    timestamp.build();
    if (kind.equals("digest") || kind.equals("text")) {
      token(header, kind, password);
    } else {
      sign(header, kind, store(arguments[1], password), password);
    }
    TransformerFactory.newInstance()
        .newTransformer()
        .transform(new DOMSource(document), new StreamResult(System.out));
  }

  private static void token(WSSecHeader header, String kind, String password) throws Exception {
    WSSecUsernameToken token = new WSSecUsernameToken(header);
    boolean isText = kind.equals("text");
    token.setPasswordType(isText ? WSConstants.PASSWORD_TEXT : WSConstants.PASSWORD_DIGEST);
    token.setUserInfo("joe", password);
    if (isText) {
      token.addNonce();
      token.addCreated();
    }
    token.build();
  }

  private static void sign(WSSecHeader header, String kind, KeyStore store, String password)
      throws Exception {
    Merlin crypto = new Merlin();
    crypto.setKeyStore(store);
    WSSecSignature signature = new WSSecSignature(header);
    signature.setUserInfo(store.aliases().nextElement(), password);
    signature.setKeyIdentifierType(
        switch (kind) {
          case "direct" -> WSConstants.BST_DIRECT_REFERENCE;
          case "serial" -> WSConstants.ISSUER_SERIAL;
          case "key-identifier" -> WSConstants.SKI_KEY_IDENTIFIER;
          case "thumbprint" -> WSConstants.THUMBPRINT_IDENTIFIER;
          case "embedded" -> WSConstants.X509_KEY_IDENTIFIER;
          default -> throw new IllegalArgumentException(kind);
        });
    signature.setSignatureAlgorithm("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256");
    signature.setDigestAlgo("http://www.w3.org/2001/04/xmlenc#sha256");
    String soap = header.getSecurityHeaderElement().getOwnerDocument()
        .getDocumentElement().getNamespaceURI();
    signature.getParts().addAll(
        List.of(
            new WSEncryptionPart("Body", soap, "Element"),
            new WSEncryptionPart("Timestamp", WSConstants.WSU_NS, "Element")));
    signature.build(crypto);
  }

  private static KeyStore store(String path, String password) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (FileInputStream file = new FileInputStream(path)) {
      store.load(file, password.toCharArray());
    }
    return store;
  }
}
