import com.amazon.sqs.javamessaging.ProviderConfiguration;
import com.amazon.sqs.javamessaging.SQSConnectionFactory;
import com.amazonaws.services.sqs.AmazonSQSRequester;
import com.amazonaws.services.sqs.AmazonSQSRequesterClientBuilder;
import jakarta.jms.BytesMessage;
import jakarta.xml.ws.Dispatch;
import jakarta.xml.ws.Provider;
import jakarta.xml.ws.Service;
import jakarta.xml.ws.ServiceMode;
import jakarta.xml.ws.WebServiceProvider;
import jakarta.xml.ws.soap.SOAPBinding;
import java.io.StringReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import javax.xml.namespace.QName;
import javax.xml.transform.Source;
import javax.xml.transform.stream.StreamResult;
import javax.xml.transform.stream.StreamSource;
import org.apache.cxf.BusFactory;
import org.apache.cxf.jaxws.EndpointImpl;
import org.apache.cxf.transport.jms.ConnectionFactoryFeature;
import org.apache.cxf.transport.jms.JMSConstants;
import org.apache.cxf.transport.jms.JMSMessageHeadersType;
import org.springframework.jms.core.JmsTemplate;
import org.springframework.ws.client.core.WebServiceTemplate;
import org.springframework.ws.soap.saaj.SaajSoapMessageFactory;
import org.springframework.ws.transport.jms.JmsMessageSender;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.SendMessageRequest;

/**
 * What CXF, Spring-WS and Amazon's temporary-queue client do on SQS, as they are.
 *
 * <pre>
 *     OverSqs cxf URI one-way|grouped|two-way      OverSqs cxf-serve QUEUE
 *     OverSqs spring-ws URI                        OverSqs jms-template QUEUE
 *     OverSqs ask QUEUE SECONDS
 * </pre>
 *
 * Prints "sent", "reply" and the reply, or "failed" and the causes.
 */
public class OverSqs {
    private static final String NAMESPACE = "urn:example:notes";
    private static final String NOTE = "<n:Note xmlns:n=\"" + NAMESPACE + "\">kept</n:Note>";
    private static final String ENVELOPE =
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>" + NOTE
            + "</e:Body></e:Envelope>";

    public static void main(String[] arguments) {
        String done;
        try {
            done = switch (arguments[0]) {
                case "cxf" -> cxf(arguments[1], arguments[2]);
                case "cxf-serve" -> cxfServe(arguments[1]);
                case "spring-ws" -> springWs(arguments[1]);
                case "jms-template" -> jmsTemplate(arguments[1]);
                default -> ask(arguments[1], Integer.parseInt(arguments[2]));
            };
        } catch (Throwable error) {
            StringBuilder told = new StringBuilder("failed");
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                told.append(": ").append(cause.getMessage());
            }
            done = told.toString();
        }
        System.out.println(done.replace("\n", " "));
        System.exit(0); // threads of the libraries would keep it
    }

    private static SqsClient sqs() {
        return SqsClient.builder()
            .endpointOverride(URI.create(System.getenv("AWS_ENDPOINT_URL_SQS"))).build();
    }

    private static SQSConnectionFactory factory() {
        // Without prefetching: what was prefetched is away for the time of its visibility.
        return new SQSConnectionFactory(
            new ProviderConfiguration().withNumberOfMessagesToPrefetch(0), sqs());
    }

    private static String cxf(String uri, String how) {
        ConnectionFactoryFeature jms = new ConnectionFactoryFeature(factory());
        QName port = new QName(NAMESPACE, "Port");
        Service service = Service.create(new QName(NAMESPACE, "Notes"), jms);
        service.addPort(port, SOAPBinding.SOAP11HTTP_BINDING, uri);
        Dispatch<Source> dispatch =
            service.createDispatch(port, Source.class, Service.Mode.PAYLOAD, jms);
        if (how.equals("grouped")) {
            JMSMessageHeadersType headers = new JMSMessageHeadersType();
            headers.putProperty("JMSXGroupID", "shop");
            headers.putProperty("JMS_SQS_DeduplicationId", UUID.randomUUID().toString());
            dispatch.getRequestContext().put(JMSConstants.JMS_CLIENT_REQUEST_HEADERS, headers);
        }
        Source note = new StreamSource(new StringReader(NOTE));
        if (how.equals("two-way")) {
            return "reply " + dispatch.invoke(note);
        }
        dispatch.invokeOneWay(note);
        return "sent";
    }

    /** Returns what it gets, for as long as it is not ended. */
    @WebServiceProvider
    @ServiceMode(Service.Mode.PAYLOAD)
    public static class Echo implements Provider<Source> {
        @Override
        public Source invoke(Source request) {
            return request;
        }
    }

    private static String cxfServe(String queue) throws Exception {
        EndpointImpl endpoint = new EndpointImpl(BusFactory.getDefaultBus(), new Echo());
        endpoint.setFeatures(List.of(new ConnectionFactoryFeature(factory())));
        endpoint.publish("jms:queue:" + queue);
        Thread.sleep(Long.MAX_VALUE);
        return "ended";
    }

    private static String springWs(String uri) throws Exception {
        SaajSoapMessageFactory messages = new SaajSoapMessageFactory();
        messages.afterPropertiesSet();
        JmsMessageSender sender = new JmsMessageSender(factory());
        sender.setReceiveTimeout(1000);
        WebServiceTemplate template = new WebServiceTemplate(messages);
        template.setMessageSender(sender);
        Source note = new StreamSource(new StringReader(NOTE));
        template.sendSourceAndReceiveToResult(uri, note, new StreamResult(System.err));
        return "sent";
    }

    /** Sends with Spring what Spring-WS would, and waits for nothing. */
    private static String jmsTemplate(String queue) {
        new JmsTemplate(factory()).send(queue, session -> {
            BytesMessage message = session.createBytesMessage();
            message.writeBytes(ENVELOPE.getBytes(StandardCharsets.UTF_8));
            message.setStringProperty("SOAPJMS_bindingVersion", "1.0");
            message.setStringProperty("SOAPJMS_contentType", "text/xml; charset=utf-8");
            if (queue.endsWith(".fifo")) {
                message.setStringProperty("JMSXGroupID", "shop");
                message.setStringProperty("JMS_SQS_DeduplicationId", UUID.randomUUID().toString());
            }
            return message;
        });
        return "sent";
    }

    private static String ask(String queue, int seconds) throws Exception {
        SqsClient sqs = sqs();
        AmazonSQSRequester requester =
            AmazonSQSRequesterClientBuilder.standard().withAmazonSQS(sqs).build();
        String url = sqs.getQueueUrl(one -> one.queueName(queue)).queueUrl();
        Message reply = requester.sendMessageAndGetResponse(
            SendMessageRequest.builder().queueUrl(url).messageBody(ENVELOPE).build(),
            seconds, TimeUnit.SECONDS);
        return "reply " + reply.body();
    }
}
