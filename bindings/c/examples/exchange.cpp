/* Both endpoints of nen in one process, in C++. Your HTTP library goes where the function `send` stands for
 * it.
 *
 *     c++ -std=c++17 exchange.cpp $(pkg-config --cflags --libs nen) -o exchange
 *     ./exchange
 */

#include <iostream>
#include <nen.hpp>

/* ── the server's half ── */

struct service {
  nen::server server;
  nen::store store = nen::store::memory();

  /** Answers any request: session endpoints by itself, what is protected with what it received. */
  nen::response handle(const nen_request_headers &headers, std::string_view method, std::string_view target,
                       std::string_view body) const {
    try {
      const auto route = server.route(method, target);
      if (route != nen::route::application) {
        return server.respond(store, route, headers, method, target, body, nen::now_ms());
      }
      const auto exchange = server.admit(store, headers, method, target, nen::now_ms());
      const auto json = exchange.open(body);
      std::cout << "the handler has     " << json.view() << '\n';
      return exchange.seal(200, json);
    } catch (const nen::error &error) {
      std::cerr << error.what() << '\n';
      return error.answer();
    }
  }
};

/* ── the transport ── */

static nen::response send(const service &service, std::string_view target, const nen_request_headers &headers,
                          std::string_view body) {
  if (headers.session.data != nullptr) {
    std::cout << "between them is     " << body << '\n';
  }
  return service.handle(headers, "POST", target, body);
}

static nen_request_headers of(const nen_signed_headers &headers) {
  return {nen::str(headers.session), nen::str(headers.timestamp), nen::str(headers.nonce),
          nen::str(headers.signature)};
}

/* ── the client's half ── */

static void shake_hands(const nen::client &client, const service &service) {
  auto handshake = client.handshake();
  const auto answer = send(service, "/api/nen/handshake", {}, handshake.body());
  client.establish(handshake, answer.status, answer.body, nen::now_ms());
}

/** Posts JSON and gives the opened answer. */
static nen::buffer post(const nen::client &client, const service &service, std::string_view target,
                        std::string_view json) {
  nen::call call("POST", target);
  for (;;) {
    const auto request = call.seal(client, json, nen::now_ms());
    const auto answer = send(service, target, of(request.headers), request.body);
    auto opened = call.open(client, {answer.status, {}, answer.body}, nen::now_ms());
    if (opened.outcome == nen::outcome::answer) {
      return std::move(opened.plaintext);
    }
    if (opened.outcome == nen::outcome::foreign) {
      throw nen::error(NEN_ISO_WIRE_INVALID_PAYLOAD_FORMAT, "something that does not speak nen answered");
    }
    if (opened.outcome == nen::outcome::reestablish) {
      shake_hands(client, service);
    }
  }
}

int main() {
  try {
    const service service;
    const nen::client client;
    shake_hands(client, service);
    const auto opened = post(client, service, "/api/echo", R"({"secret":"for the two ends alone"})");
    std::cout << "the client has back " << opened.view() << '\n';
  } catch (const nen::error &error) {
    std::cerr << error.what() << '\n' << error.hint() << '\n';
    return 1;
  }
}
