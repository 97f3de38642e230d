// What hosts and agents say to each other: what is written is read again, and nothing else is taken for it.
#include "tools/tenon/AgentProtocol.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Socket.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <thread>

namespace tenon::driver {
namespace {

AgentJob someJob() {
  AgentJob request;
  request.job = {MeasureJob::Kind::Models, {"0", "17"}, 2, true, 1.5};
  request.sizes = {4096, 0};
  return request;
}

TEST(AgentProtocol, WhatIsWrittenIsReadAgain) {
  EXPECT_EQ(parseHello(helloLine("a \"quoted\" token")), "a \"quoted\" token");
  AgentJob read = parseAgentJob(agentJobLine(someJob()));
  EXPECT_EQ(agentJobLine(read), agentJobLine(someJob()));
  Machine machine{"A CPU", "x86-64+avx2", 3, 1, 2, 3, 4};
  AgentReply reply = parseAgentReply(machineLine(machine));
  ASSERT_TRUE(reply.machine.has_value());
  EXPECT_EQ(machineLine(*reply.machine), machineLine(machine));
  EXPECT_TRUE(parseAgentReply(readyLine()).ready);
  EXPECT_TRUE(parseAgentReply(workingLine()).working);
  EXPECT_EQ(parseAgentReply(errorLine("no")).error, "no");
  EXPECT_TRUE(parseAgentReply(errorLine("later", true)).busy);
  AgentReply results = parseAgentReply(resultLine({{1500, 3, "", {{"conv", 1500}}}, {0, 0, "crashed", {}}}));
  ASSERT_TRUE(results.results.has_value());
  EXPECT_EQ(resultLine(*results.results), resultLine({{1500, 3, "", {{"conv", 1500}}}, {0, 0, "crashed", {}}}));
}

TEST(AgentProtocol, EveryTruncationIsRefused) {
  for (std::string whole : {helloLine("token"), agentJobLine(someJob()), machineLine(thisMachine())}) {
    whole.pop_back();
    for (size_t length = 0; length < whole.size(); length++) {
      std::string part = whole.substr(0, length);
      EXPECT_THROW(parseHello(part), Failure) << part;
      EXPECT_THROW(parseAgentJob(part), Failure) << part;
      EXPECT_THROW(parseAgentReply(part), Failure) << part;
    }
  }
}

TEST(AgentProtocol, NumbersMustBePossible) {
  std::string good = agentJobLine(someJob());
  for (auto [from, to] : {std::pair("\"threads\":2", "\"threads\":0"), std::pair("\"threads\":2", "\"threads\":4294967297"),
                          std::pair("\"threads\":2", "\"threads\":1e300"), std::pair("\"threads\":2", "\"threads\":18446744073709551615"),
                          std::pair("\"kind\":1", "\"kind\":3"), std::pair("4096,0", "4096,-1"), std::pair("4096,0", "4096"),
                          std::pair("4096,0", "4096,1e300"), std::pair("4096,0", "4096,1125899906842625"), std::pair("\"17\"", "\"0\""),
                          std::pair("\"17\"", "\"../7\""), std::pair("\"17\"", "\"\""), std::pair("1.5", "-1"), std::pair("1.5", "1e9")}) {
    std::string line = good;
    ASSERT_NE(line.find(from), std::string::npos) << from << " in " << line;
    line.replace(line.find(from), std::string(from).size(), to);
    EXPECT_THROW(parseAgentJob(line), Failure) << line;
  }
  EXPECT_THROW(parseAgentReply(R"({"results": [{"ns": -1, "runs": 1, "problem": "", "kernels": []}]})"), Failure);
  EXPECT_THROW(parseAgentReply(R"({"results": [{"ns": 1, "runs": 1e30, "problem": "", "kernels": []}]})"), Failure);
  EXPECT_THROW(parseAgentReply(R"({"results": [{"ns": 1, "runs": 1, "problem": "", "kernels": [["conv", 1], ["pool", -1]]}]})"), Failure);
  EXPECT_THROW(parseAgentReply("[1, 2]"), Failure);
}

TEST(AgentProtocol, TokensAreEqualOrNot) {
  EXPECT_TRUE(sameToken("secret", "secret"));
  for (const char *other : {"", "secre", "secret ", "Secret", "terces"})
    EXPECT_FALSE(sameToken("secret", other)) << other;
  EXPECT_FALSE(sameToken("secret", std::string("secret\0", 7)));
}

TEST(AgentProtocol, TokenFiles) {
  std::string path = testing::TempDir() + "tenon-token-" + std::to_string(::getpid());
  auto write = [&](const std::string &text) { std::ofstream(path, std::ios::binary) << text; };
  write("  0123456789abcdef\r\n");
  EXPECT_EQ(readToken(path), "0123456789abcdef");
  for (const std::string &bad : {std::string(), std::string("\n"), std::string("too short"), std::string("0123456789 abcdef"), std::string(2000, 'x'),
                                 std::string("0123456789abcde\0f", 17)}) {
    write(bad);
    EXPECT_THROW(readToken(path), Failure) << bad;
  }
  std::remove(path.c_str());
  EXPECT_THROW(readToken(path), Failure);
}

TEST(Addresses, HostsAndPorts) {
  EXPECT_EQ(parseAddress("127.0.0.1:7787").text(), "127.0.0.1:7787");
  EXPECT_EQ(parseAddress("[::1]:80").host, "::1");
  EXPECT_EQ(parseAddress("[::1]:80").text(), "[::1]:80");
  EXPECT_EQ(parseAddress("board.local:0").port, "0");
  for (const char *bad : {"", ":", "host", "host:", ":80", "host:65536", "host:-1", "host:8o", "::1:80", "host:000080", "[]:80"})
    EXPECT_THROW(parseAddress(bad), UsageFailure) << bad;
}

/// Two ends of one connection.
struct Ends {
  Ends() {
    int files[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, files) == 0)
      a = Socket(files[0]), b = Socket(files[1]);
  }
  Socket a, b;
};

TEST(Sockets, LinesAndBytesInAnyPieces) {
  Ends ends;
  std::thread writer([&] {
    for (char c : std::string("first\n\nabc"))
      ends.a.send({&c, 1}, 5);
    ends.a.send("de\nrest", 5);
  });
  EXPECT_EQ(ends.b.line(100, 5), "first");
  EXPECT_EQ(ends.b.line(100, 5), "");
  char bytes[2];
  ends.b.receive(bytes, 5);
  EXPECT_EQ(std::string(bytes, 2), "ab");
  EXPECT_EQ(ends.b.line(100, 5), "cde");
  writer.join();
  ends.a.close();
  EXPECT_THROW(ends.b.line(100, 5), ConnectionLost);
}

TEST(Sockets, SilenceAndEndlessLinesAreLostConnections) {
  Ends ends;
  EXPECT_THROW(ends.b.line(100, 0.05), ConnectionLost);
  char bytes[4];
  ends.a.send("xy", 5);
  EXPECT_THROW(ends.b.receive(bytes, 0.05), ConnectionLost);
  ends.a.send(std::string(101, 'x'), 5);
  EXPECT_THROW(ends.b.line(100, 5), ConnectionLost);
  // Nobody reads: what does not fit is not waited for.
  EXPECT_THROW(ends.b.send(std::string(64 << 20, 'x'), 0.05), ConnectionLost);
}

} // namespace
} // namespace tenon::driver
