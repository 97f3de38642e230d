// lld as a library: objects to one position-independent image. No file has a name: nothing is left where the process is killed.
#include "lib/Target/MemoryFile.h"
#include "lib/Target/ObjectCode.h"
#include "lld/Common/CommonLinkerContext.h"
#include "lld/Common/Driver.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cerrno>
#include <fcntl.h>
#include <mutex>
#include <thread>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace tenon {
using namespace llvm;

/// All objects as one archive: there may be more than a process may have files open.
static Expected<MemoryFile> archiveOf(ArrayRef<SmallVector<char, 0>> objects) {
  std::vector<std::string> names;
  for (size_t index = 0; index < objects.size(); ++index)
    names.push_back("k" + std::to_string(index) + ".o");
  std::vector<NewArchiveMember> members;
  for (auto [name, bytes] : zip_equal(names, objects))
    members.emplace_back(MemoryBufferRef(StringRef(bytes.data(), bytes.size()), name));
  auto archive = writeArchiveToBuffer(members, SymtabWritingMode::NoSymtab, object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  if (!archive)
    return archive.takeError();
  return MemoryFile::create("tenon-objects", ArrayRef<char>((*archive)->getBufferStart(), (*archive)->getBufferSize()));
}

/// lld reports "undefined symbol: expf" with the object that refers to it.
static bool runLinker(ArrayRef<std::string> arguments, std::string &diagnostics) {
  static std::mutex mutex; // lld keeps its state in globals
  std::lock_guard lock(mutex);
  SmallVector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  raw_string_ostream errors(diagnostics);
  bool good = lld::elf::link(pointers, nulls(), errors, /*exitEarly=*/false, /*disableOutput=*/false);
  lld::CommonLinkerContext::destroy();
  return good;
}

/// What is written to a pipe until all who may write have closed it.
static std::vector<char> readAll(int descriptor) {
  constexpr size_t kBlock = 1 << 16;
  std::vector<char> bytes;
  for (size_t end = 0;;) {
    bytes.resize(end + kBlock);
    ssize_t got = ::read(descriptor, bytes.data() + end, kBlock);
    if (got < 0 && errno == EINTR)
      continue;
    end += size_t(std::max<ssize_t>(got, 0));
    bytes.resize(end);
    if (got <= 0)
      return bytes;
  }
}

/// The image that lld makes with these arguments. It writes to a pipe what it would write to a file: to a file in memory it cannot, since it renames.
static Expected<std::vector<char>> link(std::vector<std::string> arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return createStringError(std::error_code(errno, std::generic_category()), "kernels cannot be linked: no pipe can be made");
  arguments.insert(arguments.end(), {"-o", "/proc/self/fd/" + std::to_string(ends[1])});
  std::vector<char> image;
  std::thread reader([&] { image = readAll(ends[0]); });
  std::string diagnostics;
  bool good = runLinker(arguments, diagnostics);
  ::close(ends[1]);
  reader.join();
  ::close(ends[0]);
  if (!good)
    return createStringError("kernels cannot be linked: " + diagnostics);
  return image;
}

static Expected<std::map<std::string, uint64_t>> readEntries(MemoryBufferRef image) {
  auto file = object::ObjectFile::createELFObjectFile(image);
  if (!file)
    return file.takeError();
  auto *elf = cast<object::ELFObjectFileBase>(file->get());
  std::map<std::string, uint64_t> entries;
  for (object::ELFSymbolRef symbol : elf->getDynamicSymbolIterators()) {
    Expected<StringRef> name = symbol.getName();
    Expected<uint64_t> address = symbol.getAddress();
    if (!name)
      return name.takeError();
    if (!address)
      return address.takeError();
    entries[name->str()] = *address;
  }
  return entries;
}

Expected<CodeImage> linkObjects(ArrayRef<SmallVector<char, 0>> objects, const Target &target) {
  Expected<MemoryFile> archive = archiveOf(objects);
  if (!archive)
    return archive.takeError();
  // One segment holds everything that is read and executed, at addresses equal to the offsets in the file: the runtime maps it as it is.
  auto image = link({"ld.lld", "-shared", "-Bsymbolic", "--no-undefined", "--build-id=none", "--hash-style=gnu", "--no-rosegment", "-z", "norelro",
                     "-z", "rodynamic", "-z", "separate-loadable-segments", "-z", "noexecstack", "--strip-all", "--threads=1", "--whole-archive", archive->path()});
  if (!image)
    return image.takeError();
  auto entries = readEntries(MemoryBufferRef(StringRef(image->data(), image->size()), "kernels"));
  if (!entries)
    return entries.takeError();
  CodeImage code;
  code.bytes = std::move(*image);
  code.entries = std::move(*entries);
  return code;
}

} // namespace tenon
