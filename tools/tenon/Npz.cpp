#include "tools/tenon/Npz.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Npy.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <unistd.h>
#include <zip.h>

namespace tenon::driver {
namespace {

zip_t *handle(void *archive) { return static_cast<zip_t *>(archive); }

std::string zipMessage(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

/// Deflate never expands by more: an entry that claims to is damaged, and would make us allocate without bound.
constexpr uint64_t kLargestRatio = 1100;

} // namespace

NpzReader::NpzReader(const std::string &file) : path(file) {
  int code = 0;
  archive = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (!archive)
    throw Failure(path + ": " + (code == ZIP_ER_NOENT ? "cannot be opened: No such file or directory" : "is not a .npz archive: " + zipMessage(code)));
  zip_int64_t count = zip_get_num_entries(handle(archive), 0);
  for (zip_int64_t i = 0; i < count; i++) {
    const char *name = zip_get_name(handle(archive), zip_uint64_t(i), 0);
    std::string key = name ? name : "";
    if (endsWith(key, ".npy"))
      keys.push_back(key.substr(0, key.size() - 4));
  }
}

NpzReader::~NpzReader() { zip_discard(handle(archive)); }

bool NpzReader::has(const std::string &name) const { return std::find(keys.begin(), keys.end(), name) != keys.end(); }

std::vector<NpzReader::Summary> NpzReader::summaries() const {
  std::vector<Summary> all;
  for (const std::string &key : keys) {
    zip_stat_t status;
    zip_stat_init(&status);
    if (zip_stat(handle(archive), (key + ".npy").c_str(), 0, &status) == 0)
      all.push_back({key, status.size, status.crc});
  }
  return all;
}

/// Bytes of an entry, unpacked.
NpzReader::Entry NpzReader::open(const std::string &name) const {
  std::string what = path + ", array '" + name + "'", entry = name + ".npy";
  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_stat(handle(archive), entry.c_str(), 0, &status) != 0)
    throw Failure(what + ": is not there");
  if (status.size > (status.comp_size + 1) * kLargestRatio)
    throw Failure(what + ": is damaged: " + std::to_string(status.comp_size) + " bytes cannot hold " + std::to_string(status.size));
  zip_file_t *file = zip_fopen(handle(archive), entry.c_str(), 0);
  if (!file)
    throw Failure(what + ": cannot be read: " + zip_strerror(handle(archive)));
  return {what, status.size, file};
}

HostTensor NpzReader::read(const std::string &name) const {
  auto [what, size, opened] = open(name);
  auto *file = static_cast<zip_file_t *>(opened);
  std::vector<std::byte> bytes(size);
  zip_int64_t got = zip_fread(file, bytes.data(), bytes.size());
  // The checksum is compared when the end is reached.
  std::byte beyond;
  if (got >= 0 && zip_fread(file, &beyond, 1) != 0)
    got = -1;
  int code = zip_fclose(file);
  if (got < 0 || zip_uint64_t(got) != size || code != 0)
    throw Failure(what + ": is damaged" + (code ? ": " + zipMessage(code) : ""));
  return parseNpy(bytes, what);
}

NpzStream NpzReader::stream(const std::string &name) const {
  auto [what, size, file] = open(name);
  NpzStream stream(file, what);
  std::vector<std::byte> bytes(std::min<uint64_t>(size, kNpyPrefix));
  stream.readRaw(bytes.data(), bytes.size());
  size_t headerBytes = npyHeaderBytes(bytes, what);
  if (headerBytes > size)
    throw Failure(what + ": is truncated in its header");
  bytes.resize(std::max(headerBytes, bytes.size()));
  stream.readRaw(bytes.data() + std::min<uint64_t>(size, kNpyPrefix), bytes.size() - std::min<uint64_t>(size, kNpyPrefix));
  NpyHeader header = parseNpyHeader(bytes, what);
  stream.type = header.dtype;
  stream.sizes = header.dims;
  stream.left = uint64_t(bytesOf(header.dtype, header.dims, what));
  if (stream.left > size - headerBytes)
    throw Failure(what + ": is truncated: " + typeText(header.dtype, header.dims) + " takes " + std::to_string(stream.left) + " bytes, " + std::to_string(size - headerBytes) + " are there");
  if (header.fortranOrder && header.dims.size() > 1) {
    stream.whole = read(name);
    zip_fclose(static_cast<zip_file_t *>(file));
    stream.file = nullptr;
  }
  return stream;
}

NpzStream::NpzStream(NpzStream &&other) noexcept
    : file(std::exchange(other.file, nullptr)), what(std::move(other.what)), type(other.type), sizes(std::move(other.sizes)), left(other.left), whole(std::move(other.whole)) {}

NpzStream::~NpzStream() {
  if (file)
    zip_fclose(static_cast<zip_file_t *>(file));
}

void NpzStream::readRaw(std::byte *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    zip_int64_t got = zip_fread(static_cast<zip_file_t *>(file), bytes + done, count - done);
    if (got <= 0)
      throw Failure(what + ": is damaged");
    done += size_t(got);
  }
}

void NpzStream::read(std::span<std::byte> bytes) {
  if (bytes.size() > left)
    throw Failure(what + ": ends early");
  if (file)
    readRaw(bytes.data(), bytes.size());
  else
    std::memcpy(bytes.data(), whole.data.data() + (whole.data.size() - left), bytes.size());
  left -= bytes.size();
  // The checksum is compared when the end is reached.
  std::byte beyond;
  if (file && left == 0 && zip_fread(static_cast<zip_file_t *>(file), &beyond, 1) < 0)
    throw Failure(what + ": is damaged");
}

void writeNpz(const std::string &path, const std::vector<NamedTensor> &tensors) {
  // libzip writes to a temporary file and renames it when the archive is closed.
  int code = 0;
  zip_t *archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (!archive)
    throw Failure(path + ": cannot be written: " + zipMessage(code));
  auto fail = [&] {
    std::string message = path + ": cannot be written: " + zip_strerror(archive);
    zip_discard(archive);
    throw Failure(message);
  };
  std::vector<std::string> headers;
  headers.reserve(tensors.size());
  for (const NamedTensor &named : tensors) {
    const tn_tensor &tensor = named.tensor;
    std::vector<int64_t> dims = dimsOf(tensor);
    headers.push_back(npyHeader(tensor.dtype, dims, named.name));
    zip_buffer_fragment_t fragments[2] = {{reinterpret_cast<zip_uint8_t *>(headers.back().data()), headers.back().size()},
                                          {static_cast<zip_uint8_t *>(tensor.data), zip_uint64_t(bytesOf(tensor.dtype, dims, named.name))}};
    zip_source_t *source = zip_source_buffer_fragment(archive, fragments, fragments[1].length ? 2 : 1, 0);
    if (!source)
      fail();
    zip_int64_t index = zip_file_add(archive, (named.name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      fail();
    }
    // The date is fixed so that equal arrays give equal files.
    zip_set_file_compression(archive, zip_uint64_t(index), ZIP_CM_STORE, 0);
    zip_file_set_dostime(archive, zip_uint64_t(index), 0, 33, 0);
  }
  if (zip_close(archive) != 0)
    fail();
}

} // namespace tenon::driver
