// lld as a library: objects to one position-independent image.
#include "lib/Target/ObjectCode.h"
#include "lld/Common/CommonLinkerContext.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

namespace tenon {
using namespace llvm;

static Error writeObject(StringRef path, ArrayRef<char> bytes) {
  std::error_code error;
  raw_fd_ostream stream(path, error, sys::fs::OF_None);
  if (error)
    return createStringError(error, "cannot write " + path + ": " + error.message());
  stream.write(bytes.data(), bytes.size());
  stream.flush();
  if (stream.has_error()) {
    error = stream.error();
    stream.clear_error();
    return createStringError(error, "cannot write " + path + ": " + error.message());
  }
  return Error::success();
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
  SmallString<128> folder;
  if (std::error_code error = sys::fs::createUniqueDirectory("tenon", folder))
    return createStringError(error, "cannot make a temporary folder: " + error.message());
  scope_exit cleanup([&] { sys::fs::remove_directories(folder); });

  auto pathOf = [&](Twine name) {
    SmallString<128> path(folder);
    sys::path::append(path, name);
    return path.str().str();
  };
  // One segment holds everything that is read and executed, at addresses equal to the offsets in the file: the runtime maps it as it is.
  std::string output = pathOf("kernels.so");
  std::vector<std::string> arguments = {"ld.lld", "-shared", "-Bsymbolic", "--no-undefined", "--build-id=none", "--hash-style=gnu", "--no-rosegment", "-z", "norelro",
                                        "-z", "rodynamic", "-z", "separate-loadable-segments", "-z", "noexecstack", "--strip-all", "--threads=1", "-o", output};
  for (auto [index, bytes] : enumerate(objects)) {
    arguments.push_back(pathOf("k" + Twine(index) + ".o"));
    if (Error error = writeObject(arguments.back(), bytes))
      return error;
  }
  std::string diagnostics;
  if (!runLinker(arguments, diagnostics))
    return createStringError("kernels cannot be linked: " + diagnostics);

  auto image = MemoryBuffer::getFile(output, false, false);
  if (!image)
    return createStringError(image.getError(), "cannot read the linked kernels: " + image.getError().message());
  CodeImage code;
  code.bytes.assign((*image)->getBufferStart(), (*image)->getBufferEnd());
  auto entries = readEntries(**image);
  if (!entries)
    return entries.takeError();
  code.entries = std::move(*entries);
  return code;
}

} // namespace tenon
