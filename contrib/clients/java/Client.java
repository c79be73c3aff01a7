import jakarta.xml.ws.Holder;
import jakarta.xml.ws.soap.SOAPFaultException;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import javax.xml.datatype.DatatypeFactory;
import javax.xml.datatype.XMLGregorianCalendar;
import javax.xml.namespace.QName;
import warehouse.*;

/**
 * Calls the warehouse with JAX-WS and what wsimport made of its WSDL, and prints what came back.
 *
 * <p>java Client WSDL-URL SOAP-VERSION NOTE
 */
public final class Client {
  private interface Call {
    void make() throws OrderNotFoundFault;
  }

  public static void main(String[] arguments) throws Exception {
    Warehouse service =
        new Warehouse(new URL(arguments[0]), new QName("urn:example:warehouse", "Warehouse"));
    boolean is12 = arguments[1].equals("1.2");
    WarehousePort port = is12 ? service.getWarehouseSoap12() : service.getWarehouseSoap11();
    new PrintStream(System.out, true, StandardCharsets.UTF_8).println(report(port, arguments[2]));
  }

  private static String report(WarehousePort port, String note) throws Exception {
    ExpressOrder order = (ExpressOrder) port.getOrder("WH-100002");
    Holder<String> number = new Holder<>();
    Holder<BigDecimal> total = new Holder<>();
    List<OrderLine> lines = List.of(line("PAL-0001", 3, "12.50"), line("BOX-0002", 2, "0.35"));
    lines.get(1).setGift(true);
    port.placeOrder(customer(), lines, null, null, note, number, total, new Holder<>());
    Order kept = port.getOrder(number.value);
    Holder<byte[]> label = new Holder<>();
    Holder<String> mimeType = new Holder<>();
    port.getLabel("WH-100002", label, mimeType);
    List<Order> listed = port.listOrders(OrderStatus.CANCELLED, time("2026-01-01"), 2);
    port.notifyShipment(number.value, "Swift", time("2026-01-12T08:00:00Z"));
    return object(
        "order", object(
            "orderId", text(order.getOrderId()),
            "status", text(order.getStatus().value()),
            "customer", text(order.getCustomer().getName()),
            "city", text(order.getCustomer().getAddress().getCity()),
            "total", text(order.getTotal().toPlainString()),
            "note", text(order.getNote()),
            "courier", text(order.getCourier())),
        "unknown", faultOf(() -> port.getOrder("WH-404404")),
        "refused", faultOf(() -> port.getOrder("no order!")),
        "listed", array(listed.stream().map(one -> text(one.getOrderId())).toList()),
        "placed", object(
            "orderId", text(number.value),
            "total", text(total.value.toPlainString()),
            "customer", text(kept.getCustomer().getName()),
            "note", text(kept.getNote()),
            "gifts", array(kept.getLines().stream().map(one -> "" + one.isGift()).toList())),
        "label", object(
            "text", text(new String(label.value, StandardCharsets.UTF_8)),
            "mimeType", text(mimeType.value)),
        "notified", "true");
  }

  private static Customer customer() {
    Address address = new Address();
    address.setStreet("2 Quay");
    address.setCity("Hull");
    address.setPostalCode("HU1 1AA");
    address.setCountry("GB");
    Customer customer = new Customer();
    customer.setNumber("C-0077");
    customer.setName("Żak & Söhne");
    customer.setAddress(address);
    return customer;
  }

  private static OrderLine line(String sku, int quantity, String price) {
    OrderLine line = new OrderLine();
    line.setSku(sku);
    line.setQuantity(BigInteger.valueOf(quantity));
    line.setUnitPrice(new BigDecimal(price));
    return line;
  }

  private static XMLGregorianCalendar time(String text) throws Exception {
    return DatatypeFactory.newInstance().newXMLGregorianCalendar(text);
  }

  /** Return a fault: a declared one is an exception of its own, with its detail as an object. */
  private static String faultOf(Call call) {
    try {
      call.make();
      return object();
    } catch (OrderNotFoundFault fault) {
      return fault("declared", fault.getMessage(), text(fault.getFaultInfo().getOrderId()));
    } catch (SOAPFaultException fault) {
      return fault(
          fault.getFault().getFaultCodeAsQName().getLocalPart(),
          fault.getFault().getFaultString(),
          "null");
    }
  }

  private static String fault(String code, String message, String orderId) {
    return object("code", text(code), "text", text(message), "orderId", orderId);
  }

  private static String object(String... parts) {
    StringBuilder made = new StringBuilder();
    for (int at = 0; at < parts.length; at += 2) {
      made.append(at == 0 ? "" : ",").append(text(parts[at])).append(":").append(parts[at + 1]);
    }
    return "{" + made + "}";
  }

  private static String array(List<String> items) {
    return items.stream().collect(Collectors.joining(",", "[", "]"));
  }

  private static String text(String value) {
    String escaped = value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    return "\"" + escaped + "\"";
  }
}
