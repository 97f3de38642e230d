#include "tools/tenon/Socket.h"
#include "tools/tenon/Failure.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace tenon::driver {
namespace {

Socket::Clock::time_point after(double seconds) {
  return Socket::Clock::now() + std::chrono::duration_cast<Socket::Clock::duration>(std::chrono::duration<double>(seconds));
}

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

AddressList lookUp(const Address &address, int flags, std::string &problem) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  if (int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found))
    problem = ::gai_strerror(error);
  return {found, ::freeaddrinfo};
}

/// A machine that vanishes without a word is noticed after half a minute; small messages do not wait for more.
void setOptions(int file) {
  auto set = [&](int level, int option, int value) { ::setsockopt(file, level, option, &value, sizeof value); };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

bool isLoopbackAddress(const sockaddr_storage &address) {
  if (address.ss_family == AF_INET)
    return ntohl(reinterpret_cast<const sockaddr_in &>(address).sin_addr.s_addr) >> 24 == 127;
  return address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6 &>(address).sin6_addr);
}

} // namespace

std::string Address::text() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

Address parseAddress(const std::string &text) {
  size_t colon = text.rfind(':');
  Address address;
  if (colon != std::string::npos) {
    address = {text.substr(0, colon), text.substr(colon + 1)};
    if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']')
      address.host = address.host.substr(1, address.host.size() - 2);
    else if (address.host.find_first_of(":[]") != std::string::npos)
      address.host.clear(); // without brackets, where the port of an IPv6 address starts is anybody's guess
  }
  bool digits = !address.port.empty() && address.port.size() <= 5 &&
                std::all_of(address.port.begin(), address.port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (address.host.empty() || !digits || std::stoi(address.port) > 65535)
    throw UsageFailure("address '" + text + "': expected HOST:PORT, as in 192.168.1.7:7787 or [::1]:7787");
  return address;
}

Socket::Socket(int descriptor) : file(descriptor) {}
Socket::Socket(Socket &&other) noexcept : file(std::exchange(other.file, -1)), buffer(std::move(other.buffer)) {}

Socket &Socket::operator=(Socket &&other) noexcept {
  close();
  file = std::exchange(other.file, -1);
  buffer = std::move(other.buffer);
  return *this;
}

void Socket::close() {
  if (file >= 0)
    ::close(std::exchange(file, -1));
}

Socket Socket::connect(const Address &address, double seconds) {
  std::string problem;
  AddressList found = lookUp(address, 0, problem);
  auto until = after(seconds);
  for (const addrinfo *entry = found.get(); entry; entry = entry->ai_next) {
    Socket made(::socket(entry->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!made.valid())
      continue;
    int error = ::connect(made.file, entry->ai_addr, entry->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      try {
        made.waitFor(POLLOUT, until);
      } catch (const ConnectionLost &) {
        problem = "no answer";
        continue;
      }
      socklen_t size = sizeof error;
      ::getsockopt(made.file, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) {
      setOptions(made.file);
      return made;
    }
    problem = std::strerror(error);
  }
  throw ConnectionLost(address.text() + ": " + problem);
}

Socket Socket::listen(const Address &address) {
  std::string problem;
  AddressList found = lookUp(address, AI_PASSIVE, problem);
  for (const addrinfo *entry = found.get(); entry; entry = entry->ai_next) {
    Socket made(::socket(entry->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int on = 1;
    constexpr int kWaiting = 16;
    if (made.valid() && ::setsockopt(made.file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        ::bind(made.file, entry->ai_addr, entry->ai_addrlen) == 0 && ::listen(made.file, kWaiting) == 0)
      return made;
    problem = std::strerror(errno);
  }
  throw Failure(address.text() + ": cannot listen there: " + problem);
}

Socket Socket::accept() {
  Socket made(::accept4(file, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (made.valid())
    setOptions(made.file);
  return made;
}

Address Socket::address(bool own) const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
  if ((own ? ::getsockname : ::getpeername)(file, reinterpret_cast<sockaddr *>(&storage), &size) == 0)
    ::getnameinfo(reinterpret_cast<sockaddr *>(&storage), size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  return {host, port};
}

bool Socket::isLoopback() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  return ::getsockname(file, reinterpret_cast<sockaddr *>(&storage), &size) == 0 && isLoopbackAddress(storage);
}

void Socket::waitFor(short events, Clock::time_point until) {
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    struct pollfd waiting{file, events, 0};
    int ready = ::poll(&waiting, 1, int(std::clamp<long>(left, 0, 60'000)));
    if (ready > 0)
      return;
    if (ready < 0 && errno != EINTR)
      throw ConnectionLost(std::strerror(errno));
    if (Clock::now() >= until)
      throw ConnectionLost("no answer in time");
  }
}

void Socket::send(std::string_view bytes, double seconds) {
  auto until = after(seconds);
  while (!bytes.empty()) {
    ssize_t sent = ::send(file, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0)
      bytes.remove_prefix(size_t(sent));
    else if (errno == EAGAIN)
      waitFor(POLLOUT, until);
    else if (errno != EINTR)
      throw ConnectionLost(std::strerror(errno));
  }
}

size_t Socket::receiveSome(std::span<char> bytes, Clock::time_point until) {
  for (;;) {
    ssize_t count = ::recv(file, bytes.data(), bytes.size(), 0);
    if (count > 0)
      return size_t(count);
    if (count == 0)
      throw ConnectionLost("the connection was closed");
    if (errno == EAGAIN)
      waitFor(POLLIN, until);
    else if (errno != EINTR)
      throw ConnectionLost(std::strerror(errno));
  }
}

void Socket::receive(std::span<char> bytes, double seconds) {
  auto until = after(seconds);
  size_t known = std::min(buffer.size(), bytes.size());
  std::copy_n(buffer.begin(), known, bytes.begin());
  buffer.erase(0, known);
  for (bytes = bytes.subspan(known); !bytes.empty();)
    bytes = bytes.subspan(receiveSome(bytes, until));
}

std::string Socket::line(size_t longest, double seconds) {
  auto until = after(seconds);
  for (size_t searched = 0;;) {
    size_t end = buffer.find('\n', searched);
    if (std::min(end, buffer.size()) > longest)
      throw ConnectionLost("a message of more than " + std::to_string(longest) + " bytes");
    if (end != std::string::npos) {
      std::string text = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      return text;
    }
    searched = buffer.size();
    char chunk[4096];
    size_t count = receiveSome(chunk, until);
    buffer.append(chunk, count);
  }
}

} // namespace tenon::driver
