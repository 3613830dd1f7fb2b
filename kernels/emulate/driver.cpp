// What would a GPU do with this program? A stand-in for NVIDIA's driver, for `kernels/check-candle --run`.
//
// It is libcuda.so, libcublas.so and libcurand.so in one. Memory of the "GPU" is the host's; every copy and every launch is
// done at once, in the order of the calls, whatever the stream. This crate's kernels run in the emulator (the one library in
// $MLNOTES_CACHE/kernels), with each pointer's memory as long as what was allocated; of candle's own kernels those that a Mamba
// model needs are written here as loops. New memory and memory given back hold NaN, and a wild address, a range that is too
// long or a kernel that is not known ends the process with a sentence.
//
// So it tests which memory is handed to which argument, and nothing of time, streams, or what PTX and machine code do.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <glob.h>
#include <map>
#include <mutex>
#include <string>
#include <vector>

using Address = uint64_t;
using std::string;

static std::recursive_mutex turn;
using Turn = std::lock_guard<std::recursive_mutex>;

[[noreturn]] static void stop(const string& what) {
  fprintf(stderr, "the stand-in driver: %s\n", what.c_str());
  abort();
}

// ------------------------------------------------------------------------------------------------------------ memory

static std::map<Address, size_t> allocations;

static Address allocate(size_t bytes) {
  Turn t(turn);
  if (bytes == 0) stop("memory of length 0 is asked for, which the driver does not give");
  void* p = aligned_alloc(256, (bytes + 255) / 256 * 256);
  memset(p, 0xff, bytes);  // NaN as float, double and bfloat16
  allocations[(Address)p] = bytes;
  return (Address)p;
}

static void give_back(Address p) {
  Turn t(turn);
  auto found = allocations.find(p);
  if (found == allocations.end()) stop("memory is given back that is nobody's");
  memset((void*)p, 0xff, found->second);
  allocations.erase(found);
  free((void*)p);
}

// Bytes from an address to the end of its memory.
static size_t left(Address p) {
  auto after = allocations.upper_bound(p);
  if (after == allocations.begin()) stop("an address is in no memory");
  auto [start, bytes] = *--after;
  if (p >= start + bytes) stop("an address is in no memory");
  return start + bytes - p;
}

static void* range(Address p, size_t bytes) {
  if (bytes > 0 && bytes > left(p)) stop("a copy goes beyond its memory");
  return (void*)p;
}

// ----------------------------------------------------------------------------------------------------------- emulator

// As in runtime.h and src/kernels/emulate.
struct Entry { const char* name; const void* call; uint32_t parameters; const uint32_t* codes; };
struct LaunchC { uint32_t grid[3], block[3], shared_bytes, resident; uint64_t seed; int64_t traced_block; };
struct BufferC { void* data; uint64_t bytes; uint32_t granule, writable; const char* name; };
struct ArgC { uint32_t code, buffer; int64_t integer; double real; };
using Run = int(uint32_t, const LaunchC*, const BufferC*, uint32_t, const ArgC*, void*, void*, char*, size_t);

constexpr uint32_t INT = 1, FLOAT = 2, LONG = 3, POINTERS = 16, BF16 = 17, CONST = 64;

static Run* run;
static const Entry* entries;
static uint32_t entry_count;

static void load_emulator() {
  if (run != nullptr) return;
  const char* cache = getenv("MLNOTES_CACHE");
  if (cache == nullptr) stop("MLNOTES_CACHE does not say where the emulated kernels are");
  glob_t found;
  if (glob((string(cache) + "/kernels/*.so").c_str(), 0, nullptr, &found) != 0 || found.gl_pathc != 1)
    stop("there must be one library of emulated kernels in MLNOTES_CACHE");
  void* library = dlopen(found.gl_pathv[0], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) stop(dlerror());
  entry_count = ((uint32_t(*)(const Entry**))dlsym(library, "emu_kernels"))(&entries);
  run = (Run*)dlsym(library, "emu_run");
}

struct Function {
  string name;
  const Entry* entry = nullptr;  // null for a kernel of candle's
};

static void run_own(const Function& function, LaunchC launch, void** parameters) {
  const Entry& entry = *function.entry;
  std::vector<BufferC> buffers;
  std::vector<ArgC> args;
  std::vector<string> names(entry.parameters);
  for (uint32_t i = 0; i < entry.parameters; i++) {
    uint32_t code = entry.codes[i];
    ArgC arg{0, UINT32_MAX, 0, 0.0};
    if (code == INT) arg.integer = *(int*)parameters[i];
    if (code == LONG) arg.integer = *(int64_t*)parameters[i];
    if (code == FLOAT) arg.real = *(float*)parameters[i];
    if (code >= POINTERS && *(Address*)parameters[i] != 0) {
      Address p = *(Address*)parameters[i];
      names[i] = "argument " + std::to_string(i);
      arg.buffer = buffers.size();
      uint32_t granule = (code & ~CONST) == BF16 ? 2 : 4;
      buffers.push_back({(void*)p, left(p), granule, (code & CONST) == 0, names[i].c_str()});
    }
    args.push_back(arg);
  }
  char message[1024] = "";
  if (run(&entry - entries, &launch, buffers.data(), buffers.size(), args.data(), nullptr, nullptr,
          message, sizeof message) != 0)
    stop(function.name + " " + message);
  if (getenv("STAND_IN_VERBOSE") != nullptr) fprintf(stderr, "the stand-in driver: ran %s\n", function.name.c_str());
}

// ------------------------------------------------------------------------------------------------------ candle's kernels

// Elements by the name of their type.
static double get(const string& type, Address p, size_t i) {
  if (type == "f32") return ((float*)p)[i];
  if (type == "f64") return ((double*)p)[i];
  if (type == "u32") return ((uint32_t*)p)[i];
  if (type != "bf16") stop("no elements of " + type);
  uint32_t bits = (uint32_t)((uint16_t*)p)[i] << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static void set(const string& type, Address p, size_t i, double value) {
  if (type == "f32") return (void)(((float*)p)[i] = (float)value);
  if (type == "f64") return (void)(((double*)p)[i] = value);
  if (type == "u32") return (void)(((uint32_t*)p)[i] = (uint32_t)value);
  if (type != "bf16") stop("no elements of " + type);
  float x = (float)value;
  uint32_t bits;
  memcpy(&bits, &x, 4);
  ((uint16_t*)p)[i] = x != x ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// Dimensions, then strides; none for what lies row by row.
struct View {
  size_t dims;
  const size_t* info;
  size_t which = 0;
  size_t at(size_t i) const {
    if (info == nullptr) return i;
    size_t place = 0;
    for (size_t d = dims; d-- > 0; i /= info[d]) place += i % info[d] * info[(1 + which) * dims + d];
    return place;
  }
};

static double unary(const string& op, double x) {
  double logistic = 1.0 / (1.0 + std::exp(-x));
  if (op == "ucopy") return x;
  if (op == "uneg") return -x;
  if (op == "urecip") return 1.0 / x;
  if (op == "uexp") return std::exp(x);
  if (op == "ulog") return std::log(x);
  if (op == "uabs") return std::fabs(x);
  if (op == "usqr") return x * x;
  if (op == "usqrt") return std::sqrt(x);
  if (op == "urelu") return x > 0.0 ? x : 0.0;
  if (op == "usilu") return x * logistic;
  if (op == "usigmoid") return logistic;
  stop("no kernel " + op);
}

static double binary(const string& op, double x, double y) {
  if (op == "badd") return x + y;
  if (op == "bsub") return x - y;
  if (op == "bmul") return x * y;
  if (op == "bdiv") return x / y;
  stop("no kernel " + op);
}

// The arguments are those of candle-kernels 0.11.1.
static void run_candles(const string& name, void** parameters) {
  auto number = [&](int i) { return *(size_t*)parameters[i]; };
  auto address = [&](int i) { return *(Address*)parameters[i]; };
  auto view = [&](size_t which) { return View{number(1), (const size_t*)address(2), which}; };
  size_t cut = name.rfind('_');
  string op = name.substr(0, cut), type = name.substr(cut + 1);
  size_t n = number(0);
  if (op.starts_with("cast_")) {
    for (size_t i = 0; i < n; i++) set(type, address(4), i, get(op.substr(5), address(3), view(0).at(i)));
  } else if (op == "const_set") {
    for (size_t i = 0; i < n; i++) set(type, address(4), view(0).at(i), get(type, (Address)parameters[3], 0));
  } else if (op == "affine") {
    double by = get(type, (Address)parameters[5], 0), plus = get(type, (Address)parameters[6], 0);
    for (size_t i = 0; i < n; i++) set(type, address(4), i, get(type, address(3), view(0).at(i)) * by + plus);
  } else if (op == "fast_sum" || op == "fast_sum_small") {
    size_t each = number(1), sums = op == "fast_sum" ? n / each : n;
    View summed{number(2), (const size_t*)address(3)};
    for (size_t i = 0; i < sums; i++) {
      double sum = 0.0;
      for (size_t k = 0; k < each; k++) sum += get(type, address(4), summed.at(i * each + k));
      set(type, address(5), i, sum);
    }
  } else if (op == "copy2d") {
    auto small = [&](int i) { return *(uint32_t*)parameters[i]; };
    for (size_t i = 0; i < small(2); i++)
      for (size_t j = 0; j < small(3); j++)
        set(type, address(1), i * small(5) + j, get(type, address(0), i * small(4) + j));
  } else if (op == "is_u32") {
    size_t from = number(7), ids = number(8), right = number(9);
    for (size_t i = 0; i < n; i++) {
      size_t id = ((uint32_t*)address(3))[i / right % ids];
      if (id >= from) stop("an index is beyond its axis");
      set(type, address(5), i, get(type, address(4), (i / (ids * right) * from + id) * right + i % right));
    }
  } else if (op == "ia_u32") {
    size_t ids = number(1), to = number(6), right = number(7);
    for (size_t i = 0; i < number(4) * right; i++) {
      for (size_t j = 0; j < ids; j++) {
        size_t id = ((uint32_t*)address(0))[j];
        if (id >= to) stop("an index is beyond its axis");
        size_t place = (i / right * to + id) * right + i % right;
        double sum = get(type, address(3), place) + get(type, address(2), (i / right * ids + j) * right + i % right);
        set(type, address(3), place, sum);
      }
    }
  } else if (op[0] == 'b') {
    for (size_t i = 0; i < n; i++) {
      double x = get(type, address(3), view(0).at(i)), y = get(type, address(4), view(1).at(i));
      set(type, address(5), i, binary(op, x, y));
    }
  } else if (op[0] == 'u') {
    for (size_t i = 0; i < n; i++) set(type, address(4), i, unary(op, get(type, address(3), view(0).at(i))));
  } else {
    stop("no kernel " + name);
  }
}

// ---------------------------------------------------------------------------------------------------------- the driver

// CUresult of a call that worked, and of one that did not.
constexpr int OK = 0, INVALID_VALUE = 1;
// CUdevice_attribute
constexpr int MULTIPROCESSORS = 16, CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76;

extern "C" {
int cuInit(unsigned) { return OK; }
int cuDriverGetVersion(int* version) { return *version = 13000, OK; }
int cuDeviceGetCount(int* count) { return *count = 1, OK; }
int cuDeviceGet(int* device, int) { return *device = 0, OK; }
int cuDeviceGetName(char* name, int length, int) { return snprintf(name, length, "a stand-in"), OK; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == MULTIPROCESSORS ? 16 : attribute == CAPABILITY_MAJOR ? 9 : attribute == CAPABILITY_MINOR ? 0 : 1;
  return OK;
}
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = (void*)8, OK; }
int cuDevicePrimaryCtxRelease_v2(int) { return OK; }

static thread_local void* current = nullptr;
int cuCtxGetCurrent(void** context) { return *context = current, OK; }
int cuCtxSetCurrent(void* context) { return current = context, OK; }
int cuCtxSynchronize() { return OK; }
int cuCtxDestroy_v2(void*) { return OK; }

int cuStreamCreate(void** stream, unsigned) { return *stream = malloc(8), OK; }
int cuStreamDestroy_v2(void* stream) { return free(stream), OK; }
int cuStreamSynchronize(void*) { return OK; }
int cuStreamWaitEvent(void*, void*, unsigned) { return OK; }
int cuStreamIsCapturing(void*, int* status) { return *status = 0, OK; }
int cuEventCreate(void** event, unsigned) { return *event = malloc(8), OK; }
int cuEventDestroy_v2(void* event) { return free(event), OK; }
int cuEventRecord(void*, void*) { return OK; }
int cuEventSynchronize(void*) { return OK; }
int cuEventQuery(void*) { return OK; }
int cuEventElapsedTime_v2(float* milliseconds, void*, void*) { return *milliseconds = 0.0f, OK; }
int cuGetErrorName(int, const char** text) { return *text = "an error", OK; }
int cuGetErrorString(int, const char** text) { return *text = "of the stand-in driver", OK; }

int cuMemAlloc_v2(Address* p, size_t bytes) { return *p = allocate(bytes), OK; }
int cuMemAllocAsync(Address* p, size_t bytes, void*) { return *p = allocate(bytes), OK; }
int cuMemFree_v2(Address p) { return give_back(p), OK; }
int cuMemFreeAsync(Address p, void*) { return give_back(p), OK; }
int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void*) {
  Turn t(turn);
  return memcpy(range(to, bytes), from, bytes), OK;
}
int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void*) {
  Turn t(turn);
  return memcpy(to, range(from, bytes), bytes), OK;
}
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void*) {
  Turn t(turn);
  return memcpy(range(to, bytes), range(from, bytes), bytes), OK;
}
int cuMemcpyPeerAsync(Address, void*, Address, void*, size_t, void*) { stop("there is one device"); }
int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, void*) {
  Turn t(turn);
  return memset(range(to, bytes), value, bytes), OK;
}

int cuModuleLoadData(void** module, const void*) { return *module = malloc(8), OK; }
int cuModuleLoad(void**, const char*) { stop("modules come from memory"); }
int cuModuleUnload(void* module) { return free(module), OK; }
int cuModuleGetFunction(void** function, void*, const char* name) {
  Turn t(turn);
  load_emulator();
  auto made = new Function{name};
  for (uint32_t i = 0; i < entry_count; i++)
    if (made->name == entries[i].name) made->entry = &entries[i];
  return *function = made, OK;
}
int cuFuncGetParamInfo(void* function, size_t parameter, size_t* offset, size_t* bytes) {
  const Entry* entry = ((Function*)function)->entry;
  if (entry == nullptr || parameter >= entry->parameters) return INVALID_VALUE;
  uint32_t code = entry->codes[parameter];
  return *offset = 0, *bytes = code >= POINTERS || code == LONG ? 8 : 4, OK;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void*, void** parameters, void**) {
  Turn t(turn);
  const Function& f = *(Function*)function;
  if (f.entry != nullptr)
    run_own(f, LaunchC{{gx, gy, gz}, {bx, by, bz}, shared, 4, 0, -1}, parameters);
  else
    run_candles(f.name, parameters);
  return OK;
}

int cublasCreate_v2(void** handle) { return *handle = (void*)8, OK; }
int cublasDestroy_v2(void*) { return OK; }
int cublasSetStream_v2(void*, void*) { return OK; }
int cublasDgemmStridedBatched() { stop("no products of doubles"); }
// C = alpha A B + beta C, columns first. Transposed if 1; types 0 (float) and 14 (bfloat16).
int cublasGemmStridedBatchedEx(void*, int turn_a, int turn_b, int m, int n, int k, const float* alpha, Address a, int type_a,
                               int lda, long long stride_a, Address b, int type_b, int ldb, long long stride_b,
                               const float* beta, Address c, int type_c, int ldc, long long stride_c, int batch, int,
                               int) {
  Turn t(turn);
  auto type = [](int number) { return string(number == 0 ? "f32" : number == 14 ? "bf16" : "another type"); };
  for (long long s = 0; s < batch; s++) {
    for (long long j = 0; j < n; j++) {
      for (long long i = 0; i < m; i++) {
        double sum = 0.0;
        for (long long l = 0; l < k; l++) {
          double x = get(type(type_a), a, s * stride_a + (turn_a ? l + i * lda : i + l * lda));
          sum += x * get(type(type_b), b, s * stride_b + (turn_b ? j + l * ldb : l + j * ldb));
        }
        long long place = s * stride_c + i + j * ldc;
        double old = *beta == 0.0f ? 0.0 : *beta * get(type(type_c), c, place);
        set(type(type_c), c, place, *alpha * sum + old);
      }
    }
  }
  return OK;
}

int curandCreateGenerator(void** generator, int) { return *generator = (void*)8, OK; }
int curandDestroyGenerator(void*) { return OK; }
int curandSetPseudoRandomGeneratorSeed(void*, unsigned long long) { return OK; }
int curandSetStream(void*, void*) { return OK; }
int curandGenerateUniform() { stop("no random numbers"); }
int curandGenerateUniformDouble() { stop("no random numbers"); }
int curandGenerateNormal() { stop("no random numbers"); }
int curandGenerateNormalDouble() { stop("no random numbers"); }
}
