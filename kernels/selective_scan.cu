// How does Mamba's recurrence run on a GPU? (selective scan, 选择性扫描), forward and backward.
//
//   Δ_t = softplus(delta_t + delta_bias)                          (softplus if asked for)
//   h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t                        for each channel c and state n
//   y_t = (Σ_n C_t h_t + D u_t) SiLU(z_t)                         (D u and SiLU(z) if given)
//
// code                   | shape                    |
// u, delta, z, y, dy     | (batch, length, channels)| row-major: neighbouring threads take neighbouring channels, so that a
//                        |                          | warp's reads are one line of memory
// A; initial, last       | (channels, state); (batch, channels, state)
// B, C                   | (batch, length, state)   | the same for all channels
// D, delta_bias          | (channels)
//
// D, z, delta_bias, initial, last, saved, dlast may be null. _bf16: u, delta, B, C, z, y, dy hold bfloat16, all else and
// every sum is float. Without _wide state ≤ 16, with it ≤ 64, because the states of a channel then lie in registers;
// v1, v3, b1 and b2 take any that fits into memory.
//
// version | idea                                                      | a thread has          | floats moved per (b, t, c)
// v1      | materialised: exp(ΔA), ΔBu and h all go through memory,   | one (b, t, c, n), then| 3 + 6 N
//         | in three kernels (_discretise, _scan, _output)            | (b, c, n), (b, t, c)  |
// v2      | fused: the states of a channel stay in registers          | a channel, all times  | 3
// v3      | time cut into tiles: a lane has 4 steps, a warp scans     | 4 steps of a channel  | 3
//         | pairs (exp(ΔA), ΔBu) by shuffles; vector loads, transposed|                       |
//         | through shared memory                                     |                       |
// v4      | time cut into chunks, a block each: its decay is          | a channel, one chunk  | 3 + about 4 N / chunk,
//         | exp(A ΣΔ), one number; blocks look back for the state     |                       | u and Δ twice from cache
// b1      | backward from stored states (v1's), every sum by atomics  | (b, c, n), all times  | about 9 N
// b2      | backward from a state at every 8th step (v2's saved):     | a channel, all times  | 7 + N / 4
//         | the others are computed again (重计算) in registers       |                       |
//
// (3: u, Δ in, y out; z adds one.) What bounds a version is as much the number of threads: v2 has batch × channels of them
// and no more, v3 a warp, v4 a thread per chunk for each.
//
// Sources: Gu and Dao, Mamba: linear-time sequence modeling with selective state spaces (2023), section 3.3 and appendix D;
// Merrill and Garland, Single-pass parallel prefix scan with decoupled look-back (2016) for v4's chain.

constexpr int THREADS = 128;
constexpr int INTERVAL = 8;  // steps between saved states
constexpr unsigned ALL = 0xffffffffu;
constexpr float LOG2E = 1.44269504f;

// ----------------------------------------------------------------------------------------------------------- numbers

// The upper half of a float. (CUDA's own type needs its header files where kernels are compiled.)
struct bfloat16 {
  unsigned short bits;
};

struct alignas(8) bfloat16x4 {
  bfloat16 x, y, z, w;
};

__device__ float to_float(float x) { return x; }
__device__ float to_float(bfloat16 x) { return __uint_as_float((unsigned)x.bits << 16); }

__device__ float4 to_float4(float4 x) { return x; }
__device__ float4 to_float4(bfloat16x4 x) {
  return make_float4(to_float(x.x), to_float(x.y), to_float(x.z), to_float(x.w));
}

template <class T> __device__ T from_float(float x);
template <> __device__ float from_float<float>(float x) { return x; }
// To the nearest, ties to even; NaN stays NaN.
template <> __device__ bfloat16 from_float<bfloat16>(float x) {
  unsigned bits = __float_as_uint(x);
  bfloat16 y;
  y.bits = (unsigned short)(x != x ? (bits >> 16 | 0x40u) : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  return y;
}

// Four elements that are moved at once.
template <class T> struct Four;
template <> struct Four<float> { using Type = float4; };
template <> struct Four<bfloat16> { using Type = bfloat16x4; };

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ float softplus_of(float x) { return x > 20.0f ? x : log1pf(expf(x)); }

// --------------------------------------------------------------------------------------------------------- arguments

template <class T>
struct Inputs {
  const T* u;
  const T* delta;
  const float* A;
  const T* B;
  const T* C;
  const float* D;
  const T* z;
  const float* delta_bias;
  const float* initial;
  int batch, length, channels, state;
  bool softplus;

  __device__ long long row(int b, int t) const { return (long long)b * length + t; }
  // Where (b, t, c) is in u, and (b, t, n) in B.
  __device__ long long at(int b, int t, int c) const { return row(b, t) * channels + c; }
  __device__ long long at_state(int b, int t, int n) const { return row(b, t) * state + n; }
  __device__ long long at_last(int b, int c, int n) const { return ((long long)b * channels + c) * state + n; }
  // Saved states have the channel last: a warp writes a line.
  __device__ long long at_saved(int b, int t, int c, int n) const {
    int chunks = (length + INTERVAL - 1) / INTERVAL;
    return (((long long)b * chunks + t / INTERVAL) * state + n) * channels + c;
  }

  // delta + bias, before softplus.
  __device__ float raw_step(long long at, int c) const {
    float x = to_float(delta[at]);
    if (delta_bias != nullptr) x += delta_bias[c];
    return x;
  }
  __device__ float step(long long at, int c) const {
    float x = raw_step(at, c);
    return softplus ? softplus_of(x) : x;
  }
  __device__ float initial_state(int b, int c, int n) const {
    if (initial == nullptr) return 0.0f;
    return initial[at_last(b, c, n)];
  }
  // What y is before it is stored: with D u and the gate.
  __device__ float finish(float y, float u_here, long long at, int c) const {
    if (D != nullptr) y += D[c] * u_here;
    if (z != nullptr) {
      float gate = to_float(z[at]);
      y *= gate * sigmoid(gate);
    }
    return y;
  }
};

#define INPUTS(T)                                                                                                    \
  const T* __restrict__ u, const T* __restrict__ delta, const float* __restrict__ A, const T* __restrict__ B,        \
      const T* __restrict__ C, const float* __restrict__ D, const T* __restrict__ z,                                 \
      const float* __restrict__ delta_bias, const float* __restrict__ initial, int batch, int length, int channels,  \
      int state, int softplus
#define PACK(T) \
  Inputs<T> { u, delta, A, B, C, D, z, delta_bias, initial, batch, length, channels, state, softplus != 0 }

// --------------------------------------------------------------------------------------------------- v1: materialised

// a_bar, h: (batch, length, channels, state). One thread for each element; h gets Δ B u for now.
extern "C" __global__ void selective_scan_v1_discretise(INPUTS(float), float* a_bar, float* h) {
  Inputs<float> in = PACK(float);
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (long long)batch * length * channels * state) return;
  int n = (int)(i % state);
  long long at = i / state;  // (b, t, c)
  int c = (int)(at % channels);
  long long row = at / channels;  // (b, t)
  float step = in.step(at, c);
  a_bar[i] = expf(step * A[c * state + n]);
  h[i] = step * B[row * state + n] * u[at];
}

// One thread for each (b, c, n).
extern "C" __global__ void selective_scan_v1_scan(INPUTS(float), const float* a_bar, float* h, float* last) {
  Inputs<float> in = PACK(float);
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= batch * channels * state) return;
  int n = i % state, c = i / state % channels, b = i / state / channels;
  float now = in.initial_state(b, c, n);
  for (int t = 0; t < length; t++) {
    long long at = in.at(b, t, c) * state + n;
    now = a_bar[at] * now + h[at];
    h[at] = now;
  }
  if (last != nullptr) last[i] = now;
}

// One thread for each (b, t, c).
extern "C" __global__ void selective_scan_v1_output(INPUTS(float), const float* h, float* y) {
  Inputs<float> in = PACK(float);
  long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= (long long)batch * length * channels) return;
  int c = (int)(at % channels);
  long long row = at / channels;
  float sum = 0.0f;
  for (int n = 0; n < state; n++) sum += C[row * state + n] * h[at * state + n];
  y[at] = in.finish(sum, u[at], at, c);
}

// ---------------------------------------------------------------------------------------------------------- v2: fused

// One thread for each (b, c): blockIdx.y is b. MAX bounds `state`, so that h lies in registers.
template <class T, int MAX>
__device__ void forward_fused(const Inputs<T>& in, T* y, float* last, float* saved) {
  int b = blockIdx.y, c = blockIdx.x * THREADS + threadIdx.x;
  if (c >= in.channels) return;
  float A[MAX], h[MAX];
#pragma unroll
  for (int n = 0; n < MAX; n++) {
    A[n] = n < in.state ? (float)in.A[c * in.state + n] : 0.0f;
    h[n] = n < in.state ? in.initial_state(b, c, n) : 0.0f;
  }
  for (int t = 0; t < in.length; t++) {
    if (saved != nullptr && t % INTERVAL == 0) {
#pragma unroll
      for (int n = 0; n < MAX; n++)
        if (n < in.state) saved[in.at_saved(b, t, c, n)] = h[n];
    }
    long long at = in.at(b, t, c);
    float step = in.step(at, c);
    float u = to_float(in.u[at]);
    float sum = 0.0f;
#pragma unroll
    for (int n = 0; n < MAX; n++) {
      if (n < in.state) {
        long long bc = in.at_state(b, t, n);
        h[n] = expf(step * A[n]) * h[n] + step * u * to_float(in.B[bc]);
        sum += to_float(in.C[bc]) * h[n];
      }
    }
    y[at] = from_float<T>(in.finish(sum, u, at, c));
  }
  if (last == nullptr) return;
#pragma unroll
  for (int n = 0; n < MAX; n++)
    if (n < in.state) last[in.at_last(b, c, n)] = h[n];
}

extern "C" __global__ void selective_scan_v2(INPUTS(float), float* y, float* last, float* saved) {
  forward_fused<float, 16>(PACK(float), y, last, saved);
}
extern "C" __global__ void selective_scan_v2_wide(INPUTS(float), float* y, float* last, float* saved) {
  forward_fused<float, 64>(PACK(float), y, last, saved);
}
extern "C" __global__ void selective_scan_v2_bf16(INPUTS(bfloat16), bfloat16* y, float* last, float* saved) {
  forward_fused<bfloat16, 16>(PACK(bfloat16), y, last, saved);
}
extern "C" __global__ void selective_scan_v2_wide_bf16(INPUTS(bfloat16), bfloat16* y, float* last, float* saved) {
  forward_fused<bfloat16, 64>(PACK(bfloat16), y, last, saved);
}

// ----------------------------------------------------------------------------------------------------- v3: warp scans

constexpr int LANE_STEPS = 4;
constexpr int TILE_STEPS = 32 * LANE_STEPS;
constexpr int PITCH = TILE_STEPS + 4;  // The rows of a column start in different banks, and float4s stay aligned.
constexpr int TILE_CHANNELS = 16;
constexpr int TILE_STATES = 16;

// Four neighbouring channels of a row of u, delta or z, 0 where there is none.
template <class T>
__device__ float4 load_channels(const T* x, long long row, int c, int channels) {
  if (channels % 4 == 0) {
    if (c >= channels) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    using Quad = typename Four<T>::Type;
    Quad four = *reinterpret_cast<const Quad*>(x + row * channels + c);
    return to_float4(four);
  }
  float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int k = 0; k < 4; k++)
    if (c + k < channels) v[k] = to_float(x[row * channels + c + k]);
  return make_float4(v[0], v[1], v[2], v[3]);
}

template <class T>
__device__ void store_channels(T* y, long long row, int c, int channels, const float (&v)[4]) {
  if (channels % 4 == 0) {
    if (c >= channels) return;
    using Quad = typename Four<T>::Type;
    Quad four;
    four.x = from_float<T>(v[0]), four.y = from_float<T>(v[1]), four.z = from_float<T>(v[2]), four.w = from_float<T>(v[3]);
    *reinterpret_cast<Quad*>(y + row * channels + c) = four;
    return;
  }
  for (int k = 0; k < 4; k++)
    if (c + k < channels) y[row * channels + c + k] = from_float<T>(v[k]);
}

// The inclusive scan, over the lanes, of steps h → a h + b.
__device__ void scan_lanes(float& a, float& b) {
  int lane = threadIdx.x % 32;
  for (int by = 1; by < 32; by *= 2) {
    float left_a = __shfl_up_sync(ALL, a, by);
    float left_b = __shfl_up_sync(ALL, b, by);
    if (lane >= by) {
      b = a * left_b + b;
      a = a * left_a;
    }
  }
}

// A block has TILE_CHANNELS channels of a sequence (blockIdx.y is b) and goes through time tile by tile. In a tile a
// warp takes a channel at a time, a lane four steps of it. Dynamic shared memory: TILE_CHANNELS × state floats.
template <class T>
__device__ void forward_warp_scan(const Inputs<T>& in, T* y, float* last) {
  __shared__ float u_tile[TILE_CHANNELS][PITCH];
  __shared__ float step_tile[TILE_CHANNELS][PITCH];
  __shared__ float y_tile[TILE_CHANNELS][PITCH];
  __shared__ float B_tile[TILE_STATES][PITCH];
  __shared__ float C_tile[TILE_STATES][PITCH];
  extern __shared__ float carry[];  // the state before the tile, (TILE_CHANNELS, state)
  int b = blockIdx.y, first = blockIdx.x * TILE_CHANNELS;
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int i = threadIdx.x; i < TILE_CHANNELS * in.state; i += THREADS) {
    int c = first + i / in.state;
    carry[i] = c < in.channels ? in.initial_state(b, c, i % in.state) : 0.0f;
  }
  for (int start = 0; start < in.length; start += TILE_STEPS) {
    // In: a thread has four channels of a step. Beyond the end Δ is 0, which leaves the state as it is.
    for (int i = threadIdx.x; i < TILE_STEPS * (TILE_CHANNELS / 4); i += THREADS) {
      int k = i / (TILE_CHANNELS / 4), quad = 4 * (i % (TILE_CHANNELS / 4));
      float4 us = make_float4(0.0f, 0.0f, 0.0f, 0.0f), steps = us;
      if (start + k < in.length) {
        us = load_channels<T>(in.u, in.row(b, start + k), first + quad, in.channels);
        steps = load_channels<T>(in.delta, in.row(b, start + k), first + quad, in.channels);
      }
      float u4[4] = {us.x, us.y, us.z, us.w}, step4[4] = {steps.x, steps.y, steps.z, steps.w};
      for (int j = 0; j < 4; j++) {
        int c = first + quad + j;
        float step = step4[j];
        bool inside = start + k < in.length && c < in.channels;
        if (inside && in.delta_bias != nullptr) step += in.delta_bias[c];
        if (in.softplus) step = softplus_of(step);
        u_tile[quad + j][k] = u4[j];
        step_tile[quad + j][k] = inside ? step : 0.0f;
        y_tile[quad + j][k] = 0.0f;
      }
    }
    for (int n0 = 0; n0 < in.state; n0 += TILE_STATES) {
      int states = min(TILE_STATES, in.state - n0);
      for (int i = threadIdx.x; i < TILE_STEPS * states; i += THREADS) {
        int k = i / states, n = i % states;
        bool inside = start + k < in.length;
        long long at = in.at_state(b, start + k, n0 + n);
        B_tile[n][k] = inside ? to_float(in.B[at]) : 0.0f;
        C_tile[n][k] = inside ? to_float(in.C[at]) : 0.0f;
      }
      __syncthreads();
      for (int channel = warp; channel < TILE_CHANNELS && first + channel < in.channels; channel += THREADS / 32) {
        float4 us = *reinterpret_cast<const float4*>(&u_tile[channel][4 * lane]);
        float4 ds = *reinterpret_cast<const float4*>(&step_tile[channel][4 * lane]);
        float4 ys = *reinterpret_cast<const float4*>(&y_tile[channel][4 * lane]);
        for (int n = 0; n < states; n++) {
          float A = in.A[(first + channel) * in.state + n0 + n] * LOG2E;
          float4 Bs = *reinterpret_cast<const float4*>(&B_tile[n][4 * lane]);
          float4 Cs = *reinterpret_cast<const float4*>(&C_tile[n][4 * lane]);
          float a0 = exp2f(ds.x * A), a1 = exp2f(ds.y * A), a2 = exp2f(ds.z * A), a3 = exp2f(ds.w * A);
          float b0 = ds.x * Bs.x * us.x, b1 = ds.y * Bs.y * us.y, b2 = ds.z * Bs.z * us.z, b3 = ds.w * Bs.w * us.w;
          // What the lane's steps do together, then what all lanes before it do.
          float a = a0 * a1 * a2 * a3;
          float sum = ((b0 * a1 + b1) * a2 + b2) * a3 + b3;
          scan_lanes(a, sum);
          float before_a = __shfl_up_sync(ALL, a, 1);
          float before_b = __shfl_up_sync(ALL, sum, 1);
          float h = carry[channel * in.state + n0 + n];
          if (lane > 0) h = before_a * h + before_b;
          h = a0 * h + b0;
          ys.x += Cs.x * h;
          h = a1 * h + b1;
          ys.y += Cs.y * h;
          h = a2 * h + b2;
          ys.z += Cs.z * h;
          h = a3 * h + b3;
          ys.w += Cs.w * h;
          __syncwarp();  // All lanes have read the carry.
          if (lane == 31) carry[channel * in.state + n0 + n] = h;
        }
        *reinterpret_cast<float4*>(&y_tile[channel][4 * lane]) = ys;
      }
      __syncthreads();
    }
    // Out: again four channels of a step, those that the same thread brings in for the next tile.
    for (int i = threadIdx.x; i < TILE_STEPS * (TILE_CHANNELS / 4); i += THREADS) {
      int k = i / (TILE_CHANNELS / 4), quad = 4 * (i % (TILE_CHANNELS / 4));
      if (start + k >= in.length) continue;
      long long row = in.row(b, start + k);
      float out[4] = {0.0f, 0.0f, 0.0f, 0.0f};
      for (int j = 0; j < 4; j++) {
        int c = first + quad + j;
        if (c < in.channels) out[j] = in.finish(y_tile[quad + j][k], u_tile[quad + j][k], row * in.channels + c, c);
      }
      store_channels<T>(y, row, first + quad, in.channels, out);
    }
  }
  if (last == nullptr) return;
  for (int i = threadIdx.x; i < TILE_CHANNELS * in.state; i += THREADS) {
    int c = first + i / in.state;
    if (c < in.channels) last[in.at_last(b, c, i % in.state)] = carry[i];
  }
}

extern "C" __global__ void selective_scan_v3(INPUTS(float), float* y, float* last) {
  forward_warp_scan<float>(PACK(float), y, last);
}
extern "C" __global__ void selective_scan_v3_bf16(INPUTS(bfloat16), bfloat16* y, float* last) {
  forward_warp_scan<bfloat16>(PACK(bfloat16), y, last);
}

// --------------------------------------------------------------------------------------- v4: chunks with look-back

constexpr int STAGED = 32;  // steps of B and C in shared memory at a time

// What a chunk has made known so far: nothing, what it does to a state (decay and sum), the state after it.
constexpr int NOTHING = 0, SUM = 1, PREFIX = 2;

// The steps [from, to) of a thread's channel: h goes on, Δ is added up, and y is written if wanted. All threads of the
// block call it.
template <class T, int MAX, bool WRITE>
__device__ void run_chunk(const Inputs<T>& in, int b, int c, int from, int to, const float (&A)[MAX], float (&h)[MAX],
                          float& passed, T* y) {
  __shared__ float B_tile[STAGED][MAX];
  __shared__ float C_tile[STAGED][MAX];
  for (int start = from; start < to; start += STAGED) {
    int steps = min(STAGED, to - start);
    __syncthreads();
    for (int i = threadIdx.x; i < steps * MAX; i += THREADS) {
      int k = i / MAX, n = i % MAX;
      long long at = in.at_state(b, start + k, n);
      B_tile[k][n] = n < in.state ? to_float(in.B[at]) : 0.0f;
      if (WRITE) C_tile[k][n] = n < in.state ? to_float(in.C[at]) : 0.0f;
    }
    __syncthreads();
    if (c >= in.channels) continue;
    // Reads of a few steps at once; with 64 states the code would be long and the registers too few.
#pragma unroll(MAX > 16 ? 1 : 4)
    for (int k = 0; k < steps; k++) {
      long long at = in.at(b, start + k, c);
      float step = in.step(at, c);
      float u = to_float(in.u[at]);
      float added = step * u;
      float sum = 0.0f;
      passed += step;
#pragma unroll
      for (int n = 0; n < MAX; n += 4) {
        float4 Bs = *reinterpret_cast<const float4*>(&B_tile[k][n]);
        h[n] = exp2f(step * A[n]) * h[n] + added * Bs.x;
        h[n + 1] = exp2f(step * A[n + 1]) * h[n + 1] + added * Bs.y;
        h[n + 2] = exp2f(step * A[n + 2]) * h[n + 2] + added * Bs.z;
        h[n + 3] = exp2f(step * A[n + 3]) * h[n + 3] + added * Bs.w;
        if (WRITE) {
          float4 Cs = *reinterpret_cast<const float4*>(&C_tile[k][n]);
          sum += Cs.x * h[n] + Cs.y * h[n + 1] + Cs.z * h[n + 2] + Cs.w * h[n + 3];
        }
      }
      if (WRITE) y[at] = from_float<T>(in.finish(sum, u, at, c));
    }
  }
}

// What the blocks tell one another: (chunks, batch, channels) and (chunks, batch, state, channels).
struct Chain {
  volatile int* flags;  // (chunks, batch, blocks of channels)
  float* passed;        // Σ Δ of a chunk
  float* sums;          // what its steps make of the state 0
  float* prefixes;      // the state after it
};

// All threads have written; then the flag. The fence of the thread that writes it covers what the barrier collected.
__device__ void publish(volatile int* flag, int what) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    *flag = what;
  }
}

// A flag, once it says something, for the whole block.
__device__ int await(const volatile int* flag) {
  __shared__ int seen[1];
  if (threadIdx.x == 0) {
    int what;
    do {
      what = *flag;
    } while (what == NOTHING);
    __threadfence();
    seen[0] = what;
  }
  __syncthreads();
  int what = seen[0];
  __syncthreads();  // The next call writes it.
  return what;
}

// ticket: (1) and flags 0 at the launch. A block of the line has one chunk of THREADS channels of one sequence.
template <class T, int MAX>
__device__ void forward_chunked(const Inputs<T>& in, T* y, float* last, int chunks, int* ticket, Chain chain) {
  __shared__ int drawn[1];
  // A chunk waits for those before it, so they are given out in their order, whichever order blocks start in.
  if (threadIdx.x == 0) drawn[0] = atomicAdd(&ticket[0], 1);
  __syncthreads();
  int tiles = (in.channels + THREADS - 1) / THREADS, across = tiles * in.batch;
  int chunk = drawn[0] / across, b = drawn[0] % across / tiles, tile = drawn[0] % tiles;
  int c = tile * THREADS + threadIdx.x;
  bool inside = c < in.channels;
  int size = (in.length + chunks - 1) / chunks;
  int from = chunk * size, to = min(in.length, from + size);
  volatile int* flag = chain.flags + drawn[0];

  float A[MAX], h[MAX];
#pragma unroll
  for (int n = 0; n < MAX; n++) {
    A[n] = inside && n < in.state ? in.A[c * in.state + n] * LOG2E : 0.0f;
    h[n] = chunk == 0 && inside && n < in.state ? in.initial_state(b, c, n) : 0.0f;
  }
  // (chunk, b, 0, c) in sums and prefixes, whose states are `channels` apart.
  long long here = ((long long)chunk * in.batch + b) * in.state * in.channels + c;
  if (chunk > 0) {
    // First what this chunk does to any state, unless no chunk comes after it that would ask.
    float own_passed = 0.0f;
    if (chunk + 1 < chunks) {
      run_chunk<T, MAX, false>(in, b, c, from, to, A, h, own_passed, y);
      if (inside) {
        chain.passed[((long long)chunk * in.batch + b) * in.channels + c] = own_passed;
#pragma unroll
        for (int n = 0; n < MAX; n++)
          if (n < in.state) chain.sums[here + (long long)n * in.channels] = h[n];
      }
#pragma unroll
      for (int n = 0; n < MAX; n++) h[n] = 0.0f;
      publish(flag, SUM);
    }
    // Then back, until a chunk is met whose end state is known. h collects; `since` is Σ Δ of the chunks passed over.
    float since = 0.0f;
    for (int j = chunk - 1;; j--) {
      int what = await(chain.flags + (j * across + drawn[0] % across));
      const float* place = what == PREFIX ? chain.prefixes : chain.sums;
      place += ((long long)j * in.batch + b) * in.state * in.channels + c;
      if (inside) {
#pragma unroll
        for (int n = 0; n < MAX; n++) {
          if (n < in.state) {
            h[n] += exp2f(since * A[n]) * place[0];
            place += in.channels;
          }
        }
      }
      if (what == PREFIX) break;
      if (inside) since += chain.passed[((long long)j * in.batch + b) * in.channels + c];
    }
    // Those after need not wait for this chunk's outputs.
    if (chunk + 1 < chunks) {
      if (inside) {
#pragma unroll
        for (int n = 0; n < MAX; n++) {
          if (n < in.state) {
            long long at = here + (long long)n * in.channels;
            chain.prefixes[at] = exp2f(own_passed * A[n]) * h[n] + chain.sums[at];
          }
        }
      }
      publish(flag, PREFIX);
    }
  }
  float passed = 0.0f;
  run_chunk<T, MAX, true>(in, b, c, from, to, A, h, passed, y);
  if (chunk == 0 && chunks > 1) {
    if (inside) {
#pragma unroll
      for (int n = 0; n < MAX; n++)
        if (n < in.state) chain.prefixes[here + (long long)n * in.channels] = h[n];
    }
    publish(flag, PREFIX);
  }
  if (last == nullptr || chunk + 1 < chunks || !inside) return;
#pragma unroll
  for (int n = 0; n < MAX; n++)
    if (n < in.state) last[in.at_last(b, c, n)] = h[n];
}

#define CHUNKED int chunks, int* ticket, volatile int* flags, float* passed, float* sums, float* prefixes
#define CHAIN Chain{flags, passed, sums, prefixes}
extern "C" __global__ void selective_scan_v4(INPUTS(float), float* y, float* last, CHUNKED) {
  forward_chunked<float, 16>(PACK(float), y, last, chunks, ticket, CHAIN);
}
extern "C" __global__ void selective_scan_v4_wide(INPUTS(float), float* y, float* last, CHUNKED) {
  forward_chunked<float, 64>(PACK(float), y, last, chunks, ticket, CHAIN);
}
extern "C" __global__ void selective_scan_v4_bf16(INPUTS(bfloat16), bfloat16* y, float* last, CHUNKED) {
  forward_chunked<bfloat16, 16>(PACK(bfloat16), y, last, chunks, ticket, CHAIN);
}
extern "C" __global__ void selective_scan_v4_wide_bf16(INPUTS(bfloat16), bfloat16* y, float* last, CHUNKED) {
  forward_chunked<bfloat16, 64>(PACK(bfloat16), y, last, chunks, ticket, CHAIN);
}

// ---------------------------------------------------------------------------------------------------------- backward
//
// With g = dy SiLU(z) and dh_t = C_t g_t + exp(Δ_{t+1} A) dh_{t+1}, where dlast is added at the last step:
//   du = D g + Δ Σ_n dh B          dΔ = Σ_n dh (A exp(ΔA) h_{t−1} + B u)      ddelta = dΔ softplus′(delta + bias)
//   dB = Σ_c dh Δ u                dC = Σ_c g h                              dA = Σ_{b,t} dh Δ exp(ΔA) h_{t−1}
//   dD = Σ_{b,t} g u               dz = dy (Σ_n C h + D u) SiLU′(z)          dinitial = exp(Δ_0 A) dh_0
// All gradients are float. dA, dB, dC, dD, ddelta_bias (and in b1 du, ddelta) are added to with atomics, so they must be 0
// at the launch, and their last bits depend on the order in which blocks ran. dD, ddelta_bias and
// dinitial may be null, and dz where z is.

struct Gradients {
  float* u;
  float* delta;
  float* A;
  float* B;
  float* C;
  float* D;
  float* z;
  float* delta_bias;
  float* initial;
};

// ---------------------------------------------------------------------------------------------- b1: stored states

// One thread for each (b, c, n); h: (batch, length, channels, state) as v1 leaves it.
extern "C" __global__ void selective_scan_b1(INPUTS(float), const float* h, const float* dy, const float* dlast,
                                             float* du, float* ddelta, float* dA, float* dB, float* dC, float* dD,
                                             float* dz, float* ddelta_bias, float* dinitial) {
  Inputs<float> in = PACK(float);
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= batch * channels * state) return;
  int n = i % state, c = i / state % channels, b = i / state / channels;
  float a = A[c * state + n];
  float dh = 0.0f, sum_A = 0.0f, sum_D = 0.0f, sum_bias = 0.0f;
  if (dlast != nullptr) dh = dlast[i];
  for (int t = length - 1; t >= 0; t--) {
    long long at = in.at(b, t, c), bc = in.at_state(b, t, n);
    float raw = in.raw_step(at, c), step = in.step(at, c);
    float slope = in.softplus ? sigmoid(raw) : 1.0f;
    float g = dy[at], x = u[at];
    if (z != nullptr) {
      float gate = z[at], s = sigmoid(gate);
      if (n == 0) {
        float sum = 0.0f;
        for (int m = 0; m < state; m++) sum += C[in.at_state(b, t, m)] * h[at * state + m];
        if (D != nullptr) sum += D[c] * x;
        dz[at] = g * sum * s * (1.0f + gate * (1.0f - s));
      }
      g *= gate * s;
    }
    float before = in.initial_state(b, c, n);
    if (t > 0) before = h[in.at(b, t - 1, c) * state + n];
    float decay = expf(step * a);
    dh += C[bc] * g;
    atomicAdd(&dC[bc], g * h[at * state + n]);
    atomicAdd(&dB[bc], dh * step * x);
    float through_u = dh * step * B[bc];
    if (n == 0 && D != nullptr) through_u += D[c] * g;
    atomicAdd(&du[at], through_u);
    float through_delta = slope * dh * (a * decay * before + B[bc] * x);
    atomicAdd(&ddelta[at], through_delta);
    sum_A += dh * step * decay * before;
    sum_D += g * x;
    sum_bias += through_delta;
    dh *= decay;
  }
  atomicAdd(&dA[c * state + n], sum_A);
  if (n == 0 && dD != nullptr) atomicAdd(&dD[c], sum_D);
  if (ddelta_bias != nullptr) atomicAdd(&ddelta_bias[c], sum_bias);
  if (dinitial != nullptr) dinitial[i] = dh;
}

// ---------------------------------------------------------------------------------------------- b2: recomputation

constexpr int STATES = 4;  // INTERVAL × STATES = 32 numbers, one for each lane to end up with
constexpr int BACK_THREADS = 64;

// A lane gives away the half of its numbers that it will not have, and adds what it is given to the half that it will.
template <int HALF>
__device__ void give_half(float (&v)[32]) {
  bool upper = (threadIdx.x & HALF) != 0;
#pragma unroll
  for (int i = 0; i < HALF; i++) {
    float given = upper ? v[i] : v[i + HALF];
    float kept = upper ? v[i + HALF] : v[i];
    v[i] = kept + __shfl_xor_sync(ALL, given, HALF);
  }
}

// Of 32 numbers that each lane has, lane i gets the sum over all lanes of number i: with 31 shuffles, where 32 sums one
// by one would take 160.
__device__ float sum_for_lanes(float (&v)[32]) {
  give_half<16>(v);
  give_half<8>(v);
  give_half<4>(v);
  give_half<2>(v);
  give_half<1>(v);
  return v[0];
}

// One thread for each (b, c), BACK_THREADS of them in a block; blockIdx.y is b. Dynamic shared memory:
// 2 × state × BACK_THREADS floats.
template <class T>
__device__ void backward_recomputed(const Inputs<T>& in, const float* saved, const T* dy, const float* dlast,
                                    const Gradients& out) {
  extern __shared__ float kept[];  // of each thread dh, then the sum for dA
  int b = blockIdx.y, c = blockIdx.x * BACK_THREADS + threadIdx.x, lane = threadIdx.x % 32;
  // Threads without a channel stay, with zeros: the warp's sums need all lanes.
  bool inside = c < in.channels;
  int dA_at = in.state * BACK_THREADS + threadIdx.x;
  for (int n = 0; n < in.state; n++) {
    kept[n * BACK_THREADS + threadIdx.x] = inside && dlast != nullptr ? (float)dlast[in.at_last(b, c, n)] : 0.0f;
    kept[dA_at + n * BACK_THREADS] = 0.0f;
  }
  float D = inside && in.D != nullptr ? (float)in.D[c] : 0.0f;
  float sum_D = 0.0f, sum_bias = 0.0f;
  for (int start = (in.length - 1) / INTERVAL * INTERVAL; start >= 0; start -= INTERVAL) {
    // Where there is no step, zeros leave h and dh as they are and add nothing.
    float step[INTERVAL], u[INTERVAL], g[INTERVAL], y[INTERVAL], du[INTERVAL], dstep[INTERVAL];
#pragma unroll
    for (int k = 0; k < INTERVAL; k++) {
      step[k] = u[k] = g[k] = dstep[k] = 0.0f;
      if (inside && start + k < in.length) {
        long long at = in.at(b, start + k, c);
        step[k] = in.step(at, c);
        u[k] = to_float(in.u[at]);
        g[k] = to_float(dy[at]);
        if (in.z != nullptr) {
          float gate = to_float(in.z[at]);
          g[k] *= gate * sigmoid(gate);
        }
      }
      y[k] = D * u[k];
      du[k] = D * g[k];
      sum_D += g[k] * u[k];
    }
    int lane_step = start + lane / STATES;
    for (int n0 = 0; n0 < in.state; n0 += STATES) {
      float A[STATES], h[INTERVAL + 1][STATES], sums[32];
#pragma unroll
      for (int j = 0; j < STATES; j++) {
        bool there = inside && n0 + j < in.state;
        A[j] = there ? (float)in.A[c * in.state + n0 + j] : 0.0f;
        h[0][j] = there ? (float)saved[in.at_saved(b, start, c, n0 + j)] : 0.0f;
      }
#pragma unroll
      for (int k = 0; k < INTERVAL; k++) {
#pragma unroll
        for (int j = 0; j < STATES; j++) {
          bool there = start + k < in.length && n0 + j < in.state;
          long long bc = in.at_state(b, start + k, n0 + j);
          float B = there ? to_float(in.B[bc]) : 0.0f;
          float C = there ? to_float(in.C[bc]) : 0.0f;
          h[k + 1][j] = exp2f(step[k] * A[j] * LOG2E) * h[k][j] + step[k] * u[k] * B;
          y[k] += C * h[k + 1][j];
          sums[k * STATES + j] = g[k] * h[k + 1][j];
        }
      }
      bool mine = lane_step < in.length && n0 + lane % STATES < in.state;
      long long bc_mine = in.at_state(b, lane_step, n0 + lane % STATES);
      float dC = sum_for_lanes(sums);
      if (mine) atomicAdd(&out.C[bc_mine], dC);
#pragma unroll
      for (int j = 0; j < STATES; j++) {
        bool has = n0 + j < in.state;
        int dh_at = (n0 + j) * BACK_THREADS + threadIdx.x;
        float dh = has ? (float)kept[dh_at] : 0.0f;
        float sum_A = 0.0f;
#pragma unroll
        for (int k = INTERVAL - 1; k >= 0; k--) {
          bool there = has && start + k < in.length;
          long long bc = in.at_state(b, start + k, n0 + j);
          float B = there ? to_float(in.B[bc]) : 0.0f;
          float C = there ? to_float(in.C[bc]) : 0.0f;
          float decay = exp2f(step[k] * A[j] * LOG2E);
          float decayed = decay * h[k][j];
          dh += C * g[k];
          sums[k * STATES + j] = dh * step[k] * u[k];
          du[k] += dh * step[k] * B;
          dstep[k] += dh * (A[j] * decayed + B * u[k]);
          sum_A += dh * step[k] * decayed;
          dh *= decay;
        }
        if (has) {
          kept[dh_at] = dh;
          kept[dA_at + (n0 + j) * BACK_THREADS] += sum_A;
        }
      }
      float dB = sum_for_lanes(sums);
      if (mine) atomicAdd(&out.B[bc_mine], dB);
    }
#pragma unroll
    for (int k = 0; k < INTERVAL; k++) {
      if (inside && start + k < in.length) {
        long long at = in.at(b, start + k, c);
        float slope = in.softplus ? sigmoid(in.raw_step(at, c)) : 1.0f;
        out.u[at] = du[k];
        out.delta[at] = slope * dstep[k];
        sum_bias += slope * dstep[k];
        if (in.z != nullptr) {
          float gate = to_float(in.z[at]), s = sigmoid(gate);
          out.z[at] = to_float(dy[at]) * y[k] * s * (1.0f + gate * (1.0f - s));
        }
      }
    }
  }
  if (!inside) return;
  for (int n = 0; n < in.state; n++) {
    float dA = kept[dA_at + n * BACK_THREADS];
    atomicAdd(&out.A[c * in.state + n], dA);
    if (out.initial != nullptr) out.initial[in.at_last(b, c, n)] = kept[n * BACK_THREADS + threadIdx.x];
  }
  if (out.D != nullptr) atomicAdd(&out.D[c], sum_D);
  if (out.delta_bias != nullptr) atomicAdd(&out.delta_bias[c], sum_bias);
}

#define GRADIENTS_PACKED Gradients{du, ddelta, dA, dB, dC, dD, dz, ddelta_bias, dinitial}
extern "C" __global__ void selective_scan_b2(INPUTS(float), const float* saved, const float* dy, const float* dlast,
                                             float* du, float* ddelta, float* dA, float* dB, float* dC, float* dD,
                                             float* dz, float* ddelta_bias, float* dinitial) {
  backward_recomputed<float>(PACK(float), saved, dy, dlast, GRADIENTS_PACKED);
}
extern "C" __global__ void selective_scan_b2_bf16(INPUTS(bfloat16), const float* saved, const bfloat16* dy,
                                                  const float* dlast, float* du, float* ddelta, float* dA, float* dB,
                                                  float* dC, float* dD, float* dz, float* ddelta_bias,
                                                  float* dinitial) {
  backward_recomputed<bfloat16>(PACK(bfloat16), saved, dy, dlast, GRADIENTS_PACKED);
}
