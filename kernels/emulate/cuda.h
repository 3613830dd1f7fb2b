// CUDA's dialect in terms of runtime.h: what a rewritten kernel source finds after it.
#pragma once

#define __global__
#define __device__ inline
#define __host__
#define __forceinline__
#define __noinline__
#define __launch_bounds__(...)
#define threadIdx (emu::current->at)
#define blockIdx (emu::current->block->at)
#define blockDim (emu::runtime.block_dim)
#define gridDim (emu::runtime.grid_dim)
#define warpSize 32
#define reinterpret_cast emu::reinterpret

#define EMU_LINE int line = __builtin_LINE()

static inline void __syncthreads(EMU_LINE) {
  emu::event(2, "__syncthreads", 0, 0, line);
  emu::wait(emu::State::Barrier, line);
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, EMU_LINE) {
  emu::warp_operation(emu::WarpOp::Sync, mask, 0, 0, 32, line);
}
template <class T> inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32, EMU_LINE) {
  return emu::shuffle(emu::WarpOp::Index, mask, value, lane, width, line);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, EMU_LINE) {
  return emu::shuffle(emu::WarpOp::Up, mask, value, int(by), width, line);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, EMU_LINE) {
  return emu::shuffle(emu::WarpOp::Down, mask, value, int(by), width, line);
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int by, int width = 32, EMU_LINE) {
  return emu::shuffle(emu::WarpOp::Xor, mask, value, by, width, line);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, EMU_LINE) {
  return unsigned(emu::warp_operation(emu::WarpOp::Ballot, mask, predicate != 0, 0, 32, line));
}
static inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return __ballot_sync(mask, predicate, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return __ballot_sync(mask, predicate, line) == mask;
}

static inline void __threadfence() { emu::fence(); }
static inline void __threadfence_block() { emu::fence(); }
static inline void __nanosleep(unsigned) { emu::yield(); }

template <class T, class V> inline T atomicAdd(emu::Ptr<T> p, V by, EMU_LINE) {
  return emu::atomic(p, [&](T before) { return T(before + by); }, line);
}
template <class T, class V> inline T atomicMax(emu::Ptr<T> p, V with, EMU_LINE) {
  return emu::atomic(p, [&](T before) { return before < T(with) ? T(with) : before; }, line);
}
template <class T, class V> inline T atomicMin(emu::Ptr<T> p, V with, EMU_LINE) {
  return emu::atomic(p, [&](T before) { return T(with) < before ? T(with) : before; }, line);
}
template <class T, class V> inline T atomicExch(emu::Ptr<T> p, V value, EMU_LINE) {
  return emu::atomic(p, [&](T) { return T(value); }, line);
}
template <class T, class V, class W> inline T atomicCAS(emu::Ptr<T> p, V compare, W value, EMU_LINE) {
  return emu::atomic(p, [&](T before) { return before == T(compare) ? T(value) : before; }, line);
}
template <class T> inline std::remove_cv_t<T> __ldg(emu::Ptr<T> p) { return *p; }

static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline float __uint_as_float(unsigned bits) { float f; memcpy(&f, &bits, 4); return f; }
static inline unsigned __float_as_uint(float f) { unsigned bits; memcpy(&bits, &f, 4); return bits; }
static inline float __int_as_float(int bits) { return __uint_as_float(unsigned(bits)); }
static inline int __float_as_int(float f) { return int(__float_as_uint(f)); }
#define __expf(x) expf(x)
#define __logf(x) logf(x)
static inline float __fdividef(float x, float y) { return x / y; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
static inline int __ffs(unsigned bits) { return __builtin_ffs(int(bits)); }
static inline int __clz(unsigned bits) { return bits ? __builtin_clz(bits) : 32; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
