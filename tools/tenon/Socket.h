// TCP connections that never wait without end.
#pragma once
#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tenon::driver {

/// The other side is gone, silent for too long, or says what nobody can understand: this connection is of no more use.
struct ConnectionLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Address {
  std::string host, port;
  std::string text() const; ///< "127.0.0.1:7787", "[::1]:7787"
};

/// "HOST:PORT" or "[IPv6]:PORT". Throws UsageFailure.
Address parseAddress(const std::string &text);

class Socket {
public:
  using Clock = std::chrono::steady_clock;

  Socket() = default;
  explicit Socket(int descriptor); ///< takes it over
  Socket(Socket &&other) noexcept;
  Socket &operator=(Socket &&other) noexcept;
  ~Socket() { close(); }

  /// Throws ConnectionLost where nobody answers within `seconds`.
  static Socket connect(const Address &address, double seconds);
  /// Listens. Throws Failure.
  static Socket listen(const Address &address);

  /// The next connection; an invalid socket where there is none after all.
  Socket accept();
  /// Where it is bound (`own`), or who is on the other side.
  Address address(bool own) const;
  bool isLoopback() const;

  int descriptor() const { return file; }
  bool valid() const { return file >= 0; }
  void close();

  /// Both throw ConnectionLost, also where `seconds` were not enough for all of it.
  void send(std::string_view bytes, double seconds);
  void receive(std::span<char> bytes, double seconds);
  /// The next line, without its end; ConnectionLost where it is longer than `longest`.
  std::string line(size_t longest, double seconds);

private:
  void waitFor(short events, Clock::time_point until);
  size_t receiveSome(std::span<char> bytes, Clock::time_point until);

  int file = -1;
  std::string buffer; // received, but not asked for yet
};

} // namespace tenon::driver
