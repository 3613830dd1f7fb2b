// How does a CUDA kernel run without a GPU? This file is put before a rewritten kernel source (src/kernels/emulate) and
// compiled with it.
//
// Each CUDA thread is a fiber: a stack of its own, switched by hand, so a run is deterministic. A thread runs until it
// waits (a barrier, a warp operation), reads a volatile (where it may be waiting for another block), or ends. Several
// blocks are resident at once and take turns.
//
// Every pointer and shared array of the kernel is an emu::Ptr, which knows its allocation. So each access is checked:
// bounds, alignment, shared memory nobody has written, and races. Of each element the last write and the last reads are
// kept as stamps (thread, barrier epoch, time). Two accesses by different threads, at least one a write, are ordered
// if a __syncthreads lies between them, or a warp operation that both lanes took part in, or a chain from one thread's
// __threadfence and flag write to another's flag read and __threadfence (flags are volatile or atomic). Otherwise they
// race: it does not matter in which order they happened to run here.
//
// Not modelled: the hardware's speed, its caches, rounding of its fast intrinsics, fused multiply-adds.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#if !(defined(__x86_64__) && defined(__linux__)) || defined(EMU_UCONTEXT)
#define EMU_USE_UCONTEXT
#include <ucontext.h>
#endif

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };

namespace emu {

constexpr int WARP = 32;
constexpr int SHARED_LIMIT = 48 * 1024;
constexpr size_t STACK = 128 * 1024;
constexpr size_t GUARD = 16 * 1024;

// ---------------------------------------------------------------------------------------------- what Rust hands over

struct LaunchC {
  uint32_t grid[3], block[3];
  uint32_t shared_bytes, resident;
  uint64_t seed;
  int64_t traced_block;  // -1: none
};
struct BufferC { char* data; uint64_t bytes; uint32_t granule, writable; const char* name; };
struct ArgC { uint32_t code, buffer; int64_t integer; double real; };
struct EventC {
  uint64_t step;
  uint32_t block, thread, epoch, line;
  int32_t kind;  // 0 read, 1 write, 2 barrier, 3 warp operation
  int64_t index;
  double value;
  const char* name;
};
using TraceC = void (*)(void*, const EventC*);

// ---------------------------------------------------------------------------------------------------- vector clocks

/// What a thread knows of others outside its warp: all of a block's accesses before an epoch, a thread's up to a time.
struct Clock {
  std::map<uint32_t, uint32_t> epochs, times;
  void join(const Clock& other) {
    for (auto [block, epoch] : other.epochs) epochs[block] = std::max(epochs[block], epoch);
    for (auto [thread, time] : other.times) times[thread] = std::max(times[thread], time);
  }
};
using Known = std::shared_ptr<const Clock>;

inline Known joined(const Known& a, const Known& b) {
  if (!a || a == b) return b;
  if (!b) return a;
  auto both = std::make_shared<Clock>(*a);
  both->join(*b);
  return both;
}

// ----------------------------------------------------------------------------------------------------------- memory

struct Stamp {
  uint32_t thread = 0;  // number in the grid, plus 1; 0: nobody yet
  uint32_t epoch = 0, time = 0;
  uint32_t line : 31 = 0, atomic : 1 = 0;
};
struct Cell { Stamp write, read[2]; };

struct Memory {
  char* data;
  int64_t bytes;
  int granule;
  bool writable, shared;
  const char* name;
  std::vector<Cell> cells;
  std::unordered_map<int64_t, Known> flags;  // what the last writer of a flag had made known

  Memory(char* data, int64_t bytes, int granule, bool writable, bool shared, const char* name)
      : data(data), bytes(bytes), granule(granule), writable(writable), shared(shared), name(name),
        cells((bytes + granule - 1) / granule) {}
};

struct OwnedMemory : Memory {
  std::unique_ptr<char[]> storage;
  OwnedMemory(int64_t bytes, int granule, const char* name) : Memory(nullptr, bytes, granule, true, true, name) {
    storage.reset(new char[bytes + 16]);
    memset(storage.get(), 0xff, bytes + 16);  // NaN
    data = storage.get() + (16 - reinterpret_cast<uintptr_t>(storage.get()) % 16) % 16;
  }
};

// ---------------------------------------------------------------------------------------------------------- threads

enum class State { Ready, Barrier, WarpWait, Done };
enum class WarpOp { Sync, Index, Up, Down, Xor, Ballot };

struct Block;
struct Thread {
  uint3 at;
  Block* block;
  uint32_t index, lane, number;
  State state = State::Ready;
  bool spinning = false;
  int line = 0;
  char* stack;
#ifdef EMU_USE_UCONTEXT
  ucontext_t context;
#else
  void* context;
#endif
  WarpOp op;
  uint32_t mask;
  int width, operand;
  uint64_t value, result;
  uint32_t time = 1;
  Known known, pending, fenced;
  uint64_t fuel = 0;
};

struct Warp { uint32_t seen[WARP][WARP] = {}; };

struct Block {
  uint3 at;
  uint32_t number, epoch = 1;
  std::vector<Thread> threads;
  std::vector<uint32_t> order;
  std::vector<Warp> warps;
  std::vector<std::pair<const void*, std::unique_ptr<OwnedMemory>>> shared;
  std::unique_ptr<OwnedMemory> dynamic;
  int64_t shared_bytes = 0;
  uint32_t done = 0;
};

struct Entry { const char* name; void (*call)(const ArgC*); uint32_t parameters; const uint32_t* codes; };

struct Runtime {
  dim3 grid_dim, block_dim;
  uint32_t threads_in_block;
  const LaunchC* launch;
  const ArgC* args;
  void (*call)(const ArgC*);
  std::vector<std::unique_ptr<Memory>> buffers;
  char* message;
  size_t message_size;
  bool failed;
  TraceC trace;
  void* trace_context;
  uint64_t step;
  bool progress;
#ifdef EMU_USE_UCONTEXT
  ucontext_t scheduler;
#else
  void* scheduler;
#endif
};

static Runtime runtime;
static Thread* current;
static std::vector<char*> stacks;

#ifndef EMU_USE_UCONTEXT
extern "C" void emu_switch(void** save, void* load) __attribute__((visibility("hidden")));
asm(R"(
  .text
  .hidden emu_switch
  .type emu_switch, @function
emu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size emu_switch, .-emu_switch
)");
#endif

inline void to_scheduler() {
#ifdef EMU_USE_UCONTEXT
  swapcontext(&current->context, &runtime.scheduler);
#else
  emu_switch(&current->context, runtime.scheduler);
#endif
}

inline void to_thread(Thread& thread) {
  current = &thread;
  thread.fuel = 0;
#ifdef EMU_USE_UCONTEXT
  swapcontext(&runtime.scheduler, &thread.context);
#else
  emu_switch(&runtime.scheduler, thread.context);
#endif
}

__attribute__((format(printf, 1, 2))) inline void report(const char* format, ...) {
  if (runtime.failed) return;
  runtime.failed = true;
  va_list list;
  va_start(list, format);
  vsnprintf(runtime.message, runtime.message_size, format, list);
  va_end(list);
}

/// The thread never runs again; the launch ends with the message.
[[noreturn]] inline void stop() {
  current->state = State::Done;
  for (;;) to_scheduler();
}
#define EMU_FAIL(...) (emu::report(__VA_ARGS__), emu::stop())

inline uint32_t block_of(uint32_t thread) { return thread / runtime.threads_in_block; }
inline uint32_t index_of(uint32_t thread) { return thread % runtime.threads_in_block; }

inline void entry() {
  runtime.call(runtime.args);
  Thread& me = *current;
  me.state = State::Done;
  me.block->done++;
  runtime.progress = true;
  for (;;) to_scheduler();
}

inline void prepare(Thread& thread) {
#ifdef EMU_USE_UCONTEXT
  getcontext(&thread.context);
  thread.context.uc_stack.ss_sp = thread.stack;
  thread.context.uc_stack.ss_size = STACK;
  thread.context.uc_link = nullptr;
  makecontext(&thread.context, reinterpret_cast<void (*)()>(entry), 0);
#else
  void** top = reinterpret_cast<void**>(thread.stack + STACK);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; saved++) *--top = nullptr;
  thread.context = top;
#endif
}

// ---------------------------------------------------------------------------------------------------------- accesses

inline void event(int kind, const char* name, int64_t index, double value, int line) {
  Thread& me = *current;
  if (!runtime.trace || int64_t(me.block->number) != runtime.launch->traced_block) return;
  EventC event{runtime.step++, me.block->number, me.index, me.block->epoch, uint32_t(line), kind, index, value, name};
  runtime.trace(runtime.trace_context, &event);
}

/// Did the access with this stamp happen before what the current thread does now?
inline bool ordered(const Stamp& stamp) {
  const Thread& me = *current;
  uint32_t other = stamp.thread - 1;
  if (!stamp.thread || other == me.number) return true;
  uint32_t block = block_of(other);
  if (block == me.block->number) {
    if (stamp.epoch < me.block->epoch) return true;
    uint32_t index = index_of(other);
    if (index / WARP == me.index / WARP && me.block->warps[me.index / WARP].seen[me.lane][index % WARP] >= stamp.time)
      return true;
  }
  if (!me.known) return false;
  auto epoch = me.known->epochs.find(block);
  if (epoch != me.known->epochs.end() && stamp.epoch < epoch->second) return true;
  auto time = me.known->times.find(other);
  return time != me.known->times.end() && stamp.time <= time->second;
}

[[noreturn]] inline void race(const Memory& memory, int64_t cell, const Stamp& other, bool writes, bool wrote, int line) {
  const Thread& me = *current;
  uint32_t block = block_of(other.thread - 1);
  const char* remedy = block == me.block->number
                           ? "put a barrier between the two (__syncthreads, or __syncwarp within a warp), or use an atomic"
                           : "let only one block write it, or use an atomic, or a flag with __threadfence on both sides";
  EMU_FAIL("has a race in line %d: thread %u of block %u %s %s[%lld], which thread %u of block %u %s in line %u with nothing "
           "between that orders them: %s",
           line, me.index, me.block->number, writes ? "writes" : "reads", memory.name, (long long)cell,
           index_of(other.thread - 1), block, wrote ? "writes" : "reads", unsigned(other.line), remedy);
}

enum class Kind { Read, Write, Update };

inline void stamp_cell(Memory& memory, int64_t at, Kind kind, bool atomic, int line) {
  Thread& me = *current;
  Cell& cell = memory.cells[at];
  if (memory.shared && kind != Kind::Write && !cell.write.thread)
    EMU_FAIL("reads in line %d (thread %u of block %u) %s[%lld], which nobody has written: shared memory starts undefined, "
             "so fill it first",
             line, me.index, me.block->number, memory.name, (long long)at);
  bool writes = kind != Kind::Read;
  if (!(atomic && cell.write.atomic) && !ordered(cell.write)) race(memory, at, cell.write, writes, true, line);
  if (writes)
    for (const Stamp& read : cell.read)
      if (!(atomic && read.atomic) && !ordered(read)) race(memory, at, read, true, false, line);
  Stamp now{me.number + 1, me.block->epoch, me.time, uint32_t(line), atomic};
  if (writes) cell.write = now;
  if (kind != Kind::Write) {
    // The last readers of two warps: a write must be ordered after both.
    int slot = !cell.read[0].thread || (cell.read[0].thread - 1) / WARP == me.number / WARP ? 0 : 1;
    cell.read[slot] = now;
  }
}

/// Checks and records an access; the place of its bytes.
inline char* access(Memory* memory, int64_t at, int size, int align, Kind kind, bool atomic, int line) {
  Thread& me = *current;
  if (line) me.line = line;
  line = me.line;
  const char* verb = kind == Kind::Read ? "reads" : "writes";
  if (++me.fuel > 200'000'000)
    EMU_FAIL("does not end: thread %u of block %u is still busy in line %d; does a loop wait for another thread? Read what "
             "it waits for through a volatile pointer",
             me.index, me.block->number, line);
  if (!memory)
    EMU_FAIL("%s through a null pointer in line %d (thread %u of block %u): test an optional argument before its use", verb,
             line, me.index, me.block->number);
  if (at < 0 || at + size > memory->bytes)
    EMU_FAIL("%s %s[%lld] in line %d (thread %u of block %u), but %s has %lld elements: compare the index with the length "
             "first",
             verb, memory->name, (long long)(at >= 0 ? at / size : (at - size + 1) / size), line, me.index,
             me.block->number, memory->name, (long long)(memory->bytes / size));
  if (at % align)
    EMU_FAIL("%s %d bytes of %s at byte %lld in line %d (thread %u of block %u): a GPU needs a multiple of %d there, so read "
             "element by element where that cannot be had",
             verb, size, memory->name, (long long)at, line, me.index, me.block->number, align);
  for (int64_t cell = at / memory->granule; cell <= (at + size - 1) / memory->granule; cell++)
    stamp_cell(*memory, cell, kind, atomic, line);
  return memory->data + at;
}

template <class V>
inline double shown(const V& value) {
  if constexpr (std::is_arithmetic_v<V>) return double(value);
  else return NAN;
}

/// A flag written: what this thread's last fence made known goes with it.
inline void publish(Memory* memory, int64_t at, bool keep) {
  Known& flag = memory->flags[at];
  flag = keep ? joined(flag, current->fenced) : current->fenced;
}

/// A flag read: what came with it is known after the next fence.
inline void observe(Memory* memory, int64_t at) {
  auto flag = memory->flags.find(at);
  if (flag != memory->flags.end()) current->pending = joined(current->pending, flag->second);
}

/// The others run before a thread that may be waiting for them reads again.
inline void yield() {
  current->spinning = true;
  to_scheduler();
  current->spinning = false;
}

/// An index, and the line in which it stands.
struct Index {
  int64_t value;
  int line;
  template <class I>
  Index(const I& value, int line = __builtin_LINE()) : value(int64_t(value)), line(line) {}
};

template <class T> struct Ptr;

/// What p[i] stands for.
template <class T>
struct Ref {
  using V = std::remove_cv_t<T>;
  static constexpr bool FLAG = std::is_volatile_v<T>;
  Memory* memory;
  int64_t at;
  int line;

  operator V() const { return get(); }
  V get() const {
    if (FLAG) yield();
    V value;
    memcpy(static_cast<void*>(&value), access(memory, at, sizeof(V), alignof(V), Kind::Read, FLAG, line), sizeof(V));
    if (FLAG) observe(memory, at);
    if (runtime.trace) event(0, memory->name, at / int64_t(sizeof(V)), shown(value), current->line);
    return value;
  }
  void set(const V& value) const {
    static_assert(!std::is_const_v<T>, "this pointer is to const");
    memcpy(access(memory, at, sizeof(V), alignof(V), Kind::Write, FLAG, line), static_cast<const void*>(&value), sizeof(V));
    if (FLAG) publish(memory, at, false);
    if (runtime.trace) event(1, memory->name, at / int64_t(sizeof(V)), shown(value), current->line);
  }
  const Ref& operator=(const V& value) const { return set(value), *this; }
  const Ref& operator=(const Ref& other) const { return set(other.get()), *this; }
  Ref(Memory* memory, int64_t at, int line) : memory(memory), at(at), line(line) {}
  Ref(const Ref&) = default;
  template <class W> const Ref& operator+=(const W& by) const { return set(get() + by), *this; }
  template <class W> const Ref& operator-=(const W& by) const { return set(get() - by), *this; }
  template <class W> const Ref& operator*=(const W& by) const { return set(get() * by), *this; }
  Ptr<T> operator&() const { return Ptr<T>(memory, at); }
};

/// A pointer that knows its allocation.
template <class T>
struct Ptr {
  Memory* memory = nullptr;
  int64_t at = 0;

  Ptr() = default;
  Ptr(std::nullptr_t) {}
  Ptr(Memory* memory, int64_t at) : memory(memory), at(at) {}
  template <class U, class = std::enable_if_t<std::is_convertible_v<U*, T*>>>
  Ptr(const Ptr<U>& other) : memory(other.memory), at(other.at) {}

  Ref<T> operator[](Index i) const { return {memory, at + i.value * int64_t(sizeof(T)), i.line}; }
  Ref<T> operator*() const { return {memory, at, 0}; }
  Ptr operator+(int64_t by) const { return {memory, at + by * int64_t(sizeof(T))}; }
  Ptr operator-(int64_t by) const { return {memory, at - by * int64_t(sizeof(T))}; }
  Ptr& operator+=(int64_t by) { return *this = *this + by; }
  Ptr& operator-=(int64_t by) { return *this = *this - by; }
  Ptr& operator++() { return *this += 1; }
  int64_t operator-(const Ptr& other) const { return (at - other.at) / int64_t(sizeof(T)); }
  bool operator==(const Ptr& other) const { return memory == other.memory && at == other.at; }
  bool operator==(std::nullptr_t) const { return !memory; }
  explicit operator bool() const { return memory; }
};

/// reinterpret_cast<float4*>(p), whose type is by now Ptr<float4>.
template <class P, class U> P reinterpret(const Ptr<U>& other) { return {other.memory, other.at}; }

/// A shared array: every dimension's index is checked against its extent.
template <class A> struct Array;
template <class T, size_t N>
struct Array<T[N]> {
  Memory* memory;
  int64_t at;
  auto operator[](Index i) const {
    current->line = i.line;
    if (i.value < 0 || i.value >= int64_t(N))
      EMU_FAIL("uses index %lld of %s in line %d (thread %u of block %u), but that axis has %zu elements: compare the index with "
               "the length first",
               (long long)i.value, memory->name, i.line, current->index, current->block->number, N);
    int64_t place = at + i.value * int64_t(sizeof(T));
    if constexpr (std::is_array_v<T>) return Array<T>{memory, place};
    else return Ref<T>{memory, place, i.line};
  }
  using E = std::remove_all_extents_t<T>;
  operator Ptr<E>() const { return {memory, at}; }
  operator Ptr<const E>() const { return {memory, at}; }
  Ptr<T> operator+(int64_t by) const { return Ptr<T>{memory, at} + by; }
};

inline Memory* shared_memory(const void* site, const char* name, int64_t bytes, int granule) {
  Block& block = *current->block;
  for (auto& [known, memory] : block.shared)
    if (known == site) return memory.get();
  block.shared_bytes += bytes;
  if (block.shared_bytes > SHARED_LIMIT)
    EMU_FAIL("needs %lld bytes of shared memory in a block, but a block has %d: make %s smaller", (long long)block.shared_bytes,
             SHARED_LIMIT, name);
  block.shared.emplace_back(site, std::make_unique<OwnedMemory>(bytes, granule, name));
  return block.shared.back().second.get();
}

template <class A> Array<A> shared_array(const void* site, const char* name) {
  return {shared_memory(site, name, sizeof(A), sizeof(std::remove_all_extents_t<A>)), 0};
}

template <class T> Ref<T> shared_scalar(const void* site, const char* name) {
  return {shared_memory(site, name, sizeof(T), sizeof(T)), 0, 0};
}

template <class T> Ptr<T> shared_dynamic(const char* name) {
  current->block->dynamic->name = name;
  return {current->block->dynamic.get(), 0};
}

// -------------------------------------------------------------------------------------- barriers and warp operations

inline void wait(State state, int line) {
  current->state = state;
  current->line = line;
  runtime.progress = true;
  to_scheduler();
}

/// Lets the block go on if all its threads wait at one barrier; says what is wrong if they cannot.
inline void release(Block& block) {
  const Thread* waiting = nullptr;
  uint32_t count = 0;
  for (const Thread& thread : block.threads)
    if (thread.state == State::Barrier) {
      waiting = &thread;
      count++;
    }
  if (!count) return;
  for (const Thread& thread : block.threads) {
    if (thread.state == State::Barrier && thread.line != waiting->line && count == block.threads.size())
      return report("meets different barriers: thread %u of block %u waits in line %d and thread %u in line %d; every thread of a "
                    "block must come to the same __syncthreads, so take it out of the branch",
                    thread.index, block.number, thread.line, waiting->index, waiting->line);
    if (thread.state == State::Done)
      return report("has a barrier that not all threads reach: thread %u of block %u waits in line %d, but thread %u has "
                    "left the kernel (after line %d); take __syncthreads out of the branch, or let no thread return before it",
                    waiting->index, block.number, waiting->line, thread.index, thread.line);
  }
  if (count < block.threads.size()) return;
  Known known;
  for (const Thread& thread : block.threads) known = joined(known, thread.known);
  block.epoch++;
  for (Thread& thread : block.threads) {
    thread.known = known;
    thread.time++;
    thread.state = State::Ready;
  }
  runtime.progress = true;
}

/// After a warp operation each lane knows what all lanes of the mask knew and did.
inline void join_lanes(Block& block, uint32_t warp, uint32_t mask) {
  auto& seen = block.warps[warp].seen;
  uint32_t all[WARP] = {};
  Known known;
  for (int lane = 0; lane < WARP; lane++)
    if (mask >> lane & 1) {
      Thread& thread = block.threads[warp * WARP + lane];
      seen[lane][lane] = thread.time++;
      for (int other = 0; other < WARP; other++) all[other] = std::max(all[other], seen[lane][other]);
      known = joined(known, thread.known);
    }
  for (int lane = 0; lane < WARP; lane++)
    if (mask >> lane & 1) {
      memcpy(seen[lane], all, sizeof all);
      block.threads[warp * WARP + lane].known = known;
    }
}

inline void resolve(Block& block, uint32_t first, uint32_t mask) {
  uint64_t ballot = 0;
  for (int lane = 0; lane < WARP; lane++)
    if (mask >> lane & 1 && block.threads[first + lane].value) ballot |= uint64_t(1) << lane;
  for (int lane = 0; lane < WARP; lane++) {
    if (!(mask >> lane & 1)) continue;
    Thread& thread = block.threads[first + lane];
    int base = lane / thread.width * thread.width, source = lane;
    switch (thread.op) {
      case WarpOp::Index: source = base + thread.operand % thread.width; break;
      case WarpOp::Up: source = lane - thread.operand < base ? lane : lane - thread.operand; break;
      case WarpOp::Down: source = lane + thread.operand >= base + thread.width ? lane : lane + thread.operand; break;
      case WarpOp::Xor: source = (lane ^ thread.operand) >= base + thread.width ? lane : lane ^ thread.operand; break;
      default: break;
    }
    if (!(mask >> source & 1))
      return report("shuffles in line %d: lane %d of block %u asks for the value of lane %d, which its mask %08x does not name; "
                    "name every lane whose value is read",
                    thread.line, lane, block.number, source, mask);
    thread.result = thread.op == WarpOp::Ballot ? ballot : block.threads[first + source].value;
  }
  for (int lane = 0; lane < WARP; lane++)
    if (mask >> lane & 1) block.threads[first + lane].state = State::Ready;
  join_lanes(block, first / WARP, mask);
}

inline uint64_t warp_operation(WarpOp op, uint32_t mask, uint64_t value, int operand, int width, int line) {
  Thread& me = *current;
  Block& block = *me.block;
  uint32_t first = me.index - me.lane;
  if (!(mask >> me.lane & 1))
    EMU_FAIL("gives in line %d a mask (%08x) that leaves out the caller, thread %u of block %u: a mask names all lanes that take "
             "part",
             line, mask, me.index, block.number);
  me.op = op, me.mask = mask, me.value = value, me.operand = operand, me.width = width, me.line = line;
  me.state = State::WarpWait;
  event(3, "warp", operand, double(mask), line);
  bool all = true;
  for (int lane = 0; lane < WARP; lane++) {
    if (!(mask >> lane & 1)) continue;
    bool there = first + lane < block.threads.size();
    if (!there || block.threads[first + lane].state == State::Done)
      EMU_FAIL("gives in line %d (thread %u of block %u) a mask (%08x) that names lane %d, which %s: name only the lanes that take "
               "part, or let all take part",
               line, me.index, block.number, mask, lane, there ? "has left the kernel" : "the block does not have");
    const Thread& other = block.threads[first + lane];
    all = all && other.state == State::WarpWait && other.op == op && other.mask == mask && other.line == line;
  }
  if (all) {
    resolve(block, first, mask);
    runtime.progress = true;
    if (runtime.failed) stop();
  } else {
    wait(State::WarpWait, line);
  }
  return me.result;
}

template <class T>
inline T shuffle(WarpOp op, unsigned mask, T value, int operand, int width, int line) {
  static_assert(sizeof(T) <= 8 && std::is_arithmetic_v<T>, "a shuffle moves a number of at most 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  bits = warp_operation(op, mask, bits, operand, width, line);
  memcpy(static_cast<void*>(&value), &bits, sizeof(T));
  return value;
}

inline void fence() {
  Thread& me = *current;
  me.known = joined(me.known, me.pending);
  auto clock = me.known ? std::make_shared<Clock>(*me.known) : std::make_shared<Clock>();
  clock->epochs[me.block->number] = me.block->epoch;
  const auto& seen = me.block->warps[me.index / WARP].seen[me.lane];
  for (uint32_t lane = 0; lane < WARP; lane++)
    if (seen[lane]) clock->times[me.number - me.lane + lane] = seen[lane];
  clock->times[me.number] = me.time;
  me.fenced = clock;
  me.time++;
}

template <class T, class F>
inline T atomic(const Ptr<T>& p, F update, int line) {
  char* place = access(p.memory, p.at, sizeof(T), alignof(T), Kind::Update, true, line);
  T before;
  memcpy(&before, place, sizeof(T));
  T after = update(before);
  memcpy(place, &after, sizeof(T));
  observe(p.memory, p.at);
  publish(p.memory, p.at, true);
  event(1, p.memory->name, p.at / int64_t(sizeof(T)), shown(after), line);
  return before;
}

// ---------------------------------------------------------------------------------------------------------- a launch

inline Thread make_thread(Block& block, uint32_t index, char* stack) {
  Thread thread;
  dim3 d = runtime.block_dim;
  thread.at = {index % d.x, index / d.x % d.y, index / d.x / d.y};
  thread.block = &block;
  thread.index = index;
  thread.lane = index % WARP;
  thread.number = block.number * runtime.threads_in_block + index;
  thread.stack = stack;
  return thread;
}

struct Random {
  uint64_t state;
  uint64_t next() {  // splitmix64
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
};

/// 0 … n − 1; in this order for seed 0.
inline std::vector<uint32_t> permutation(uint32_t n, uint64_t seed, uint64_t stream) {
  std::vector<uint32_t> order(n);
  for (uint32_t i = 0; i < n; i++) order[i] = i;
  if (seed) {
    Random random{seed * 0x2545f4914f6cdd1d + stream};
    for (uint32_t i = n; i > 1; i--) std::swap(order[i - 1], order[random.next() % i]);
  }
  return order;
}

inline std::unique_ptr<Block> make_block(uint32_t number, char* const* stacks) {
  auto block = std::make_unique<Block>();
  dim3 g = runtime.grid_dim;
  uint32_t n = runtime.threads_in_block;
  block->number = number;
  block->at = {number % g.x, number / g.x % g.y, number / g.x / g.y};
  block->order = permutation(n, runtime.launch->seed, number + 1);
  block->warps.resize((n + WARP - 1) / WARP);
  block->dynamic = std::make_unique<OwnedMemory>(runtime.launch->shared_bytes, 4, "dynamic shared memory");
  block->shared_bytes = runtime.launch->shared_bytes;
  block->threads.reserve(n);
  for (uint32_t i = 0; i < n; i++) block->threads.push_back(make_thread(*block, i, stacks[i]));
  for (Thread& thread : block->threads) prepare(thread);
  return block;
}

/// Stacks with an unmapped page below each, kept from launch to launch.
inline bool have_stacks(size_t count) {
  while (stacks.size() < count) {
    void* place = mmap(nullptr, STACK + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) return false;
    mprotect(place, GUARD, PROT_NONE);
    stacks.push_back(static_cast<char*>(place) + GUARD);
  }
  return true;
}

inline void run_block(Block& block) {
  for (uint32_t i : block.order) {
    Thread& thread = block.threads[i];
    if (thread.state == State::Ready) to_thread(thread);
    if (runtime.failed) return;
  }
  for (const Thread& thread : block.threads)
    if (thread.state == State::Ready) return;
  release(block);
}

/// Nothing moves any more: who waits for what?
inline void report_deadlock(const std::vector<std::unique_ptr<Block>>& resident) {
  for (auto& block : resident)
    for (const Thread& thread : block->threads) {
      if (thread.state == State::WarpWait) {
        for (uint32_t lane = 0; lane < WARP && thread.index - thread.lane + lane < block->threads.size(); lane++) {
          const Thread& other = block->threads[thread.index - thread.lane + lane];
          if (!(thread.mask >> lane & 1) || (other.state == State::WarpWait && other.line == thread.line)) continue;
          const char* where = other.state == State::Done ? "has left the kernel after" : "waits in";
          return report("never gets past line %d: the warp operation of thread %u of block %u waits for thread %u, which %s line %d; "
                        "all lanes that a mask names must come to the same line",
                        thread.line, thread.index, block->number, other.index, where, other.line);
        }
      }
    }
  for (auto& block : resident)
    for (const Thread& thread : block->threads)
      if (thread.state == State::Ready)
        return report("never ends: thread %u of block %u waits in line %d for a value that nobody writes; a block may only wait for "
                      "blocks that have started, and threads for those that do not wait for them",
                      thread.index, block->number, thread.line);
  report("never ends: its threads wait for one another; check its barriers and warp operations");
}

/// More passes than this over the resident blocks, in which threads only reread their flags, change nothing.
constexpr int PATIENCE = 2000;

inline void run_blocks(uint32_t blocks) {
  std::vector<uint32_t> order = permutation(blocks, runtime.launch->seed, 0);
  std::vector<std::unique_ptr<Block>> resident(std::min(blocks, std::max(1u, runtime.launch->resident)));
  size_t next = 0;
  int idle = 0;
  for (size_t left = blocks; left && !runtime.failed;) {
    runtime.progress = false;
    for (size_t slot = 0; slot < resident.size() && !runtime.failed; slot++) {
      auto& block = resident[slot];
      if (!block) {
        if (next == order.size()) continue;
        block = make_block(order[next++], &stacks[slot * runtime.threads_in_block]);
      }
      run_block(*block);
      if (block->done == block->threads.size()) block.reset(), left--;
    }
    idle = runtime.progress ? 0 : idle + 1;
    bool spinning = false;
    for (auto& block : resident)
      if (block)
        for (const Thread& thread : block->threads) spinning = spinning || thread.spinning;
    if (!runtime.failed && idle > (spinning ? PATIENCE : 0)) {
      resident.erase(std::remove(resident.begin(), resident.end(), nullptr), resident.end());
      report_deadlock(resident);
    }
  }
}

// --------------------------------------------------------------------------------------------------------- arguments

enum Code : uint32_t { INT = 1, FLOAT = 2, LONG = 3, POINTER = 16, CONST = 64 };

template <class T>
constexpr uint32_t element_code() {
  using V = std::remove_cv_t<T>;
  if (std::is_same_v<V, float> || std::is_same_v<V, float2> || std::is_same_v<V, float4>) return 0;
  if (std::is_same_v<V, int>) return 2;
  if (std::is_same_v<V, unsigned>) return 3;
  static_assert(sizeof(V) == 2 || std::is_same_v<V, int> || std::is_same_v<V, unsigned> || sizeof(V) % sizeof(float) == 0,
                "a kernel's pointers are to float, float2, float4, int, unsigned or 16-bit elements");
  return sizeof(V) == 2 ? 1 : 0;
}

template <class P> struct Param;
template <> struct Param<int> {
  static constexpr uint32_t code = INT;
  static int from(const ArgC& arg) { return int(arg.integer); }
};
template <> struct Param<long long> {
  static constexpr uint32_t code = LONG;
  static long long from(const ArgC& arg) { return arg.integer; }
};
template <> struct Param<float> {
  static constexpr uint32_t code = FLOAT;
  static float from(const ArgC& arg) { return float(arg.real); }
};
template <class T> struct Param<Ptr<T>> {
  static constexpr uint32_t code = POINTER + element_code<T>() + (std::is_const_v<T> ? CONST : 0);
  static Ptr<T> from(const ArgC& arg) {
    return arg.buffer == UINT32_MAX ? Ptr<T>() : Ptr<T>(runtime.buffers[arg.buffer].get(), 0);
  }
};

template <class... P> struct Signature {
  static constexpr uint32_t codes[sizeof...(P) + 1] = {Param<P>::code..., 0};
  template <void (*kernel)(P...), size_t... I>
  static void call(const ArgC* args, std::index_sequence<I...>) { kernel(Param<P>::from(args[I])...); }
  template <void (*kernel)(P...)>
  static void call(const ArgC* args) { call<kernel>(args, std::index_sequence_for<P...>()); }
};
template <class F> struct SignatureOf;
template <class... P> struct SignatureOf<void (*)(P...)> { using Type = Signature<P...>; static constexpr uint32_t count = sizeof...(P); };

template <auto kernel>
Entry describe(const char* name) {
  using S = SignatureOf<decltype(kernel)>;
  return {name, &S::Type::template call<kernel>, S::count, S::Type::codes};
}

inline int run(const Entry& kernel, const LaunchC* launch, const BufferC* buffers, uint32_t buffer_count, const ArgC* args,
               TraceC trace, void* trace_context, char* message, size_t message_size) {
  runtime.launch = launch;
  runtime.grid_dim = {launch->grid[0], launch->grid[1], launch->grid[2]};
  runtime.block_dim = {launch->block[0], launch->block[1], launch->block[2]};
  runtime.threads_in_block = launch->block[0] * launch->block[1] * launch->block[2];
  runtime.args = args;
  runtime.call = kernel.call;
  runtime.message = message;
  runtime.message_size = message_size;
  runtime.failed = false;
  runtime.trace = trace;
  runtime.trace_context = trace_context;
  runtime.step = 0;
  runtime.buffers.clear();
  for (uint32_t i = 0; i < buffer_count; i++) {
    const BufferC& b = buffers[i];
    runtime.buffers.push_back(std::make_unique<Memory>(b.data, b.bytes, b.granule, b.writable, false, b.name));
  }
  uint32_t blocks = launch->grid[0] * launch->grid[1] * launch->grid[2];
  if (have_stacks(size_t(std::min(blocks, std::max(1u, launch->resident))) * runtime.threads_in_block)) run_blocks(blocks);
  else report("cannot run: no memory for the stacks of its threads; use smaller blocks or fewer resident ones");
  runtime.buffers.clear();
  return runtime.failed;
}

}  // namespace emu

// Arrays that a thread owns are plain arrays: the compiler checks their indices and calls this.
struct EmuOutOfBounds { const char* file; uint32_t line, column; };
extern "C" __attribute__((visibility("hidden"))) void __ubsan_handle_out_of_bounds(void* data, void* index) {
  uint32_t line = static_cast<EmuOutOfBounds*>(data)->line;
  EMU_FAIL("uses index %lld of an array of its own in line %u (thread %u of block %u), which is beyond its end: compare the index "
           "with the length first",
           (long long)(intptr_t)index, line, emu::current->index, emu::current->block->number);
}
extern "C" __attribute__((visibility("hidden"))) void __ubsan_handle_divrem_overflow(void* data, void*, void*) {
  uint32_t line = static_cast<EmuOutOfBounds*>(data)->line;
  EMU_FAIL("divides integers by 0 in line %u (thread %u of block %u): a GPU would give any number, so test the divisor", line,
           emu::current->index, emu::current->block->number);
}
