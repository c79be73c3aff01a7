import com.amazon.sqs.javamessaging.AmazonSQSExtendedClient;
import com.amazon.sqs.javamessaging.ExtendedClientConfiguration;
import com.amazon.sqs.javamessaging.ProviderConfiguration;
import com.amazon.sqs.javamessaging.SQSConnection;
import com.amazon.sqs.javamessaging.SQSConnectionFactory;
import jakarta.jms.BytesMessage;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.sqs.SqsClient;

/**
 * SOAP over JMS on SQS with Amazon's libraries alone, without this project's code.
 *
 * <pre>
 *     SoapJms call QUEUE REPLIES text|byte ENVELOPE [BUCKET PREFIX]    prints the reply
 *     SoapJms serve QUEUE                                              echoes one request
 * </pre>
 *
 * With a bucket, the request travels through it, by the extended client's pointer.
 */
public class SoapJms {
    private static final long WAIT = 30_000;

    public static void main(String[] arguments) throws Exception {
        SqsClient sqs = SqsClient.builder()
            .endpointOverride(URI.create(System.getenv("AWS_ENDPOINT_URL_SQS"))).build();
        if (arguments.length > 5) {
            sqs = throughBucket(sqs, arguments[5], arguments[6]);
        }
        SQSConnection connection =
            new SQSConnectionFactory(new ProviderConfiguration(), sqs).createConnection();
        try {
            Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
            connection.start();
            if (arguments[0].equals("call")) {
                call(session, arguments);
            } else {
                serve(session, arguments[1]);
            }
        } finally {
            connection.close();
        }
    }

    private static SqsClient throughBucket(SqsClient sqs, String bucket, String prefix) {
        S3Client s3 = S3Client.builder().forcePathStyle(true)
            .endpointOverride(URI.create(System.getenv("AWS_ENDPOINT_URL_S3"))).build();
        return new AmazonSQSExtendedClient(sqs, new ExtendedClientConfiguration()
            .withPayloadSupportEnabled(s3, bucket)
            .withS3KeyPrefix(prefix)
            .withAlwaysThroughS3(true));
    }

    private static void call(Session session, String[] arguments) throws Exception {
        MessageConsumer replies = session.createConsumer(session.createQueue(arguments[2]));
        Message request = message(session, arguments[3].equals("text"), arguments[4]);
        request.setStringProperty("SOAPJMS_bindingVersion", "1.0");
        request.setStringProperty("SOAPJMS_contentType", "text/xml; charset=utf-8");
        request.setStringProperty("SOAPJMS_requestURI", "jms:queue:" + arguments[1]);
        request.setStringProperty("SOAPJMS_soapAction", "\"urn:echo\"");
        request.setBooleanProperty("SOAPJMS_isFault", false);
        request.setJMSReplyTo(session.createQueue(arguments[2]));
        session.createProducer(session.createQueue(arguments[1])).send(request);
        Message reply = replies.receive(WAIT);
        if (reply == null) {
            throw new IllegalStateException("no reply");
        }
        System.out.println(reply.getJMSCorrelationID().equals(request.getJMSMessageID())
            ? "correlated" : "not correlated");
        System.out.println(reply instanceof TextMessage ? "text" : "byte");
        System.out.println(reply.getStringProperty("SOAPJMS_contentType"));
        System.out.println(reply.getBooleanProperty("SOAPJMS_isFault"));
        System.out.println(envelope(reply));
    }

    private static void serve(Session session, String queue) throws Exception {
        Message request = session.createConsumer(session.createQueue(queue)).receive(WAIT);
        if (request == null) {
            throw new IllegalStateException("no request");
        }
        if (!"1.0".equals(request.getStringProperty("SOAPJMS_bindingVersion"))
            || !("jms:queue:" + queue).equals(request.getStringProperty("SOAPJMS_requestURI"))) {
            throw new IllegalStateException("not a SOAP/JMS request");
        }
        String envelope = "<Echo>" + envelope(request) + "</Echo>";
        Message reply = message(session, request instanceof TextMessage, envelope);
        reply.setJMSCorrelationID(request.getJMSCorrelationID() == null
            ? request.getJMSMessageID() : request.getJMSCorrelationID());
        reply.setStringProperty("SOAPJMS_bindingVersion", "1.0");
        reply.setStringProperty("SOAPJMS_contentType", "text/xml; charset=utf-8");
        reply.setBooleanProperty("SOAPJMS_isFault", true);
        session.createProducer(request.getJMSReplyTo()).send(reply);
    }

    private static Message message(Session session, boolean isText, String envelope)
        throws Exception {
        if (isText) {
            return session.createTextMessage(envelope);
        }
        BytesMessage message = session.createBytesMessage();
        message.writeBytes(envelope.getBytes(StandardCharsets.UTF_8));
        return message;
    }

    private static String envelope(Message message) throws Exception {
        if (message instanceof TextMessage) {
            return ((TextMessage) message).getText();
        }
        byte[] bytes = new byte[(int) ((BytesMessage) message).getBodyLength()];
        ((BytesMessage) message).readBytes(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
