#include "runtime/cpu/CodeImage.h"

#include <cerrno>
#include <cstring>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tenon {
namespace {

bool fits(uint64_t offset, uint64_t bytes, uint64_t size) { return bytes <= size && offset <= size - bytes; }

/// The i-th program header of an image whose table is inside it. The table need not be aligned.
Elf64_Phdr segmentAt(std::span<const uint8_t> image, uint32_t index) {
  Elf64_Ehdr header;
  Elf64_Phdr segment;
  memcpy(&header, image.data(), sizeof header);
  memcpy(&segment, image.data() + header.e_phoff + index * sizeof segment, sizeof segment);
  return segment;
}

uint32_t segmentCount(std::span<const uint8_t> image) {
  Elf64_Ehdr header;
  memcpy(&header, image.data(), sizeof header);
  return header.e_phnum;
}

tn_status checkHeader(std::span<const uint8_t> image, const char *arch, Message &message) {
  Elf64_Ehdr header;
  if (image.size() < sizeof header || memcmp(image.data(), ELFMAG, SELFMAG) != 0)
    return message.fail(TN_BAD_PLAN, "corrupted code: not an ELF image");
  memcpy(&header, image.data(), sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN)
    return message.fail(TN_BAD_PLAN, "corrupted code: not a 64-bit little-endian shared object");
  if (header.e_machine != elfMachine(arch))
    return message.fail(TN_BAD_PLAN, "corrupted code: ELF machine %u does not belong to the plan's architecture %s", header.e_machine, arch);
  if (header.e_phentsize != sizeof(Elf64_Phdr) || !fits(header.e_phoff, uint64_t(header.e_phnum) * sizeof(Elf64_Phdr), image.size()))
    return message.fail(TN_BAD_PLAN, "corrupted code: its segment table leaves the image");
  return TN_OK;
}

/// Code runs where it is mapped, as it is: nothing would apply relocations or load other objects.
tn_status checkDynamic(std::span<const uint8_t> image, const Elf64_Phdr &segment, Message &message) {
  for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment.p_filesz; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn entry;
    memcpy(&entry, image.data() + segment.p_offset + at, sizeof entry);
    switch (entry.d_tag) {
    case DT_NULL:
      return TN_OK;
    case DT_RELA:
    case DT_REL:
    case DT_RELR:
    case DT_JMPREL:
    case DT_TEXTREL:
    case DT_NEEDED:
    case DT_INIT_ARRAY:
      return message.fail(TN_BAD_PLAN, "the code section wants relocations, other libraries or initialisers (dynamic tag %lld), which plans must not", (long long)entry.d_tag);
    }
  }
  return TN_OK;
}

} // namespace

uint16_t elfMachine(const char *arch) {
  if (strcmp(arch, "x86_64") == 0)
    return EM_X86_64;
  return strcmp(arch, "aarch64") == 0 ? EM_AARCH64 : 0;
}

const char *hostArch() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#else
#error "plans run on x86_64 and aarch64"
#endif
}

tn_status checkCode(std::span<const uint8_t> image, const char *arch, Message &message) {
  if (tn_status status = checkHeader(image, arch, message))
    return status;
  for (uint32_t i = 0; i < segmentCount(image); ++i) {
    Elf64_Phdr segment = segmentAt(image, i);
    bool isLoaded = segment.p_type == PT_LOAD, isDynamic = segment.p_type == PT_DYNAMIC;
    if ((isLoaded || isDynamic) && !fits(segment.p_offset, segment.p_filesz, image.size()))
      return message.fail(TN_BAD_PLAN, "corrupted code: segment %u leaves the image", i);
    bool isConstant = (segment.p_flags & PF_W) == 0;
    if (isLoaded && isConstant && (segment.p_vaddr != segment.p_offset || segment.p_memsz != segment.p_filesz))
      return message.fail(TN_BAD_PLAN, "corrupted code: segment %u does not lie at the address that is its offset", i);
    if (isDynamic)
      if (tn_status status = checkDynamic(image, segment, message))
        return status;
  }
  return TN_OK;
}

bool isExecutable(std::span<const uint8_t> image, uint64_t address) {
  for (uint32_t i = 0; i < segmentCount(image); ++i) {
    Elf64_Phdr segment = segmentAt(image, i);
    bool isCode = segment.p_type == PT_LOAD && (segment.p_flags & (PF_X | PF_W)) == PF_X;
    if (isCode && address >= segment.p_offset && address - segment.p_offset < segment.p_filesz)
      return true;
  }
  return false;
}

CodeImage::~CodeImage() {
  if (memory)
    munmap(memory, size);
}

tn_status CodeImage::map(const PlanBytes &plan, uint64_t offset, uint64_t bytes, Message &message) {
  void *mapping = MAP_FAILED;
  if (plan.file() >= 0 && offset % uint64_t(sysconf(_SC_PAGESIZE)) == 0)
    mapping = mmap(nullptr, bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE, plan.file(), off_t(offset));
  if (mapping != MAP_FAILED) {
    memory = static_cast<uint8_t *>(mapping);
    size = bytes;
    return TN_OK;
  }
  // In memory, on a file system that forbids execution, or with pages larger than the section's alignment.
  mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    return message.fail(TN_OUT_OF_MEMORY, "no memory for the plan's code (%zu bytes)", size_t(bytes));
  memory = static_cast<uint8_t *>(mapping);
  size = bytes;
  memcpy(memory, plan.data() + offset, bytes);
  __builtin___clear_cache(reinterpret_cast<char *>(memory), reinterpret_cast<char *>(memory + bytes));
  if (mprotect(memory, bytes, PROT_READ | PROT_EXEC) != 0)
    return message.fail(TN_DEVICE, "the system does not allow the plan's code to be executed: %s", strerror(errno));
  return TN_OK;
}

} // namespace tenon
