// Calls the warehouse with gSOAP's code from its WSDL, and prints what came back.
//
//     client-SOAP-VERSION WSDL-URL SOAP-VERSION NOTE

#include <iostream>
#include <sstream>
#include <string>

#include "WarehouseBinding11.nsmap"
#include "soapWarehouseBinding11Proxy.h"

namespace {

std::string text(const std::string &value) {
  std::string made = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') made += '\\';
    made += c == '\n' ? "\\n" : std::string(1, c);
  }
  return made + "\"";
}

std::string truth(bool value) { return value ? "true" : "false"; }

void check(WarehouseBinding11Proxy &service, int outcome) {
  if (outcome != SOAP_OK) {
    service.soap_stream_fault(std::cerr);
    std::exit(1);
  }
}

ns2__Order *order_of(WarehouseBinding11Proxy &service, const std::string &number) {
  _ns2__GetOrder request;
  request.orderId = number;
  auto *reply = soap_new__ns2__GetOrderResponse(service.soap);
  check(service, service.GetOrder(&request, *reply));
  return reply->order;
}

// What a call of GetOrder fails with; the declared fault is in the detail, as an object.
std::string fault_of(WarehouseBinding11Proxy &service, const std::string &number) {
  _ns2__GetOrder request;
  request.orderId = number;
  _ns2__GetOrderResponse reply;
  if (service.GetOrder(&request, reply) == SOAP_OK) return "{}";
  SOAP_ENV__Fault *fault = service.soap->fault;
  const bool is12 = fault->SOAP_ENV__Code != nullptr;
  const std::string code = is12 ? fault->SOAP_ENV__Code->SOAP_ENV__Value : fault->faultcode;
  const std::string reason = is12 ? fault->SOAP_ENV__Reason->SOAP_ENV__Text : fault->faultstring;
  SOAP_ENV__Detail *detail = is12 ? fault->SOAP_ENV__Detail : fault->detail;
  const auto *unknown = detail == nullptr ? nullptr : detail->ns2__OrderNotFound;
  return "{\"code\":" + text(code.substr(code.find(':') + 1)) + ",\"text\":" + text(reason) +
         ",\"orderId\":" + (unknown == nullptr ? "null" : text(unknown->orderId)) + "}";
}

ns2__OrderLine *line(soap *context, const char *sku, const char *quantity, const char *price) {
  auto *made = soap_new_ns2__OrderLine(context);
  made->sku = sku;
  made->quantity = quantity;
  made->unitPrice = price;
  return made;
}

_ns2__PlaceOrderResponse place_order(WarehouseBinding11Proxy &service, std::string note) {
  soap *context = service.soap;
  _ns2__PlaceOrder request;
  request.customer = soap_new_ns2__Customer(context);
  request.customer->name = "Żak & Söhne";
  request.customer->address = soap_new_ns2__Address(context);
  request.customer->address->street = "2 Quay";
  request.customer->address->city = "Hull";
  request.customer->address->postalCode = "HU1 1AA";
  request.customer->address->country = "GB";
  request.lines = {line(context, "PAL-0001", "3", "12.50"), line(context, "BOX-0002", "2", "0.35")};
  request.lines[1]->gift = true;
  request.note = &note;
  _ns2__PlaceOrderResponse reply;
  check(service, service.PlaceOrder(&request, reply));
  return reply;
}

std::string described(const ns2__ExpressOrder &order) {
  return "{\"orderId\":" + text(order.orderId) +
         ",\"status\":" + text(order.status == ns2__OrderStatus__shipped ? "shipped" : "another") +
         ",\"customer\":" + text(order.customer->name) +
         ",\"city\":" + text(order.customer->address->city) + ",\"total\":" + text(order.total) +
         ",\"note\":" + text(*order.note) + ",\"courier\":" + text(order.courier) + "}";
}

std::string placed(WarehouseBinding11Proxy &service, const std::string &note) {
  const auto reply = place_order(service, note);
  const ns2__Order *kept = order_of(service, reply.orderId);
  _ns2__NotifyShipment shipped;
  shipped.orderId = reply.orderId;
  shipped.carrier = "Swift";
  shipped.shippedAt = 1768204800;
  check(service, service.NotifyShipment(&shipped));
  std::string gifts;
  for (const ns2__OrderLine *one : kept->lines) {
    gifts += (gifts.empty() ? "" : ",") + truth(one->gift);
  }
  return "{\"orderId\":" + text(reply.orderId) + ",\"total\":" + text(reply.total) +
         ",\"customer\":" + text(kept->customer->name) + ",\"note\":" + text(*kept->note) +
         ",\"gifts\":[" + gifts + "]},\"notified\":true";
}

std::string listed(WarehouseBinding11Proxy &service) {
  ns2__OrderStatus status = ns2__OrderStatus__cancelled;
  std::string since = "2026-01-01";
  _ns2__ListOrders request;
  request.status = &status;
  request.since = &since;
  request.limit = 2;
  auto *reply = soap_new__ns2__ListOrdersResponse(service.soap);
  check(service, service.ListOrders(&request, *reply));
  std::string numbers;
  for (const ns2__Order *one : reply->order) {
    numbers += (numbers.empty() ? "" : ",") + text(one->orderId);
  }
  return "[" + numbers + "]";
}

std::string label(WarehouseBinding11Proxy &service) {
  _ns2__GetLabel request;
  request.orderId = "WH-100002";
  auto *reply = soap_new__ns2__GetLabelResponse(service.soap);
  check(service, service.GetLabel(&request, *reply));
  const std::string bytes(reinterpret_cast<char *>(reply->label.__ptr), reply->label.__size);
  return "{\"text\":" + text(bytes) + ",\"mimeType\":" + text(reply->mimeType) + "}";
}

}  // namespace

int main(int, char **arguments) {
  const std::string wsdl = arguments[1];
  const std::string address = wsdl.substr(0, wsdl.find('?'));
  WarehouseBinding11Proxy service(address.c_str(), SOAP_C_UTFSTRING);
  const auto *order = dynamic_cast<ns2__ExpressOrder *>(order_of(service, "WH-100002"));
  if (order == nullptr) return 1;
  std::cout << "{\"order\":" << described(*order) << ",\"placed\":" << placed(service, arguments[3])
            << ",\"unknown\":" << fault_of(service, "WH-404404")
            << ",\"refused\":" << fault_of(service, "no order!")
            << ",\"listed\":" << listed(service) << ",\"label\":" << label(service) << "}\n";
}
