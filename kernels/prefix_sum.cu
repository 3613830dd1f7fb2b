// How does one add up a list when every sum needs the one before? (prefix sums, 前缀和)
//
//   y_i = x_0 ∘ x_1 ∘ … ∘ x_i
//
// for any associative ∘. Two are here:
//   prefix_sum_v1 … v5    x, y: (n)      plain sums, x ∘ y = x + y
//   linear_scan_v1 … v5   x, y: (n, 2)   pairs (a, b), the steps h → a h + b of a linear recurrence:
//                                        (a₁, b₁) ∘ (a₂, b₂) = (a₁ a₂, a₂ b₁ + b₂), left first; y_i holds the map from
//                                        before step 0 to after step i, so h_i = y_i.a h₋₁ + y_i.b
//
// version | idea                                                         | launch                | bytes moved, ∘ applied
// v1      | one thread, one element after the other                      | 1 block of 1 thread   | 2 n s, n − 1
// v2      | Hillis and Steele: every element looks 1, 2, 4 … to the left | 1 block of THREADS    | 2 n s, about n log₂ THREADS
// v3      | Blelloch: sums of pairs up a tree, prefixes down it          | 1 block of THREADS    | 2 n s, about 3 n
// v4      | a warp passes values by shuffles, no shared memory or barrier| 1 block of THREADS    | 2 n s, about 5 n
// v5      | many blocks in one pass: a block that knows its own sum looks| ⌈n / TILE⌉ of THREADS | 2 n s, about 2 n
//         | back at its predecessors' sums until one knows its prefix    |                       |
//
// s is the size of an element (4 or 8 bytes): every version reads and writes each element once. Versions 2 to 4 are one
// block that carries its last sum from tile to tile; only v5 uses the whole GPU. In v5 the order in which a prefix is put
// together depends on who was ready first, so sums of floats may differ in the last bits from run to run.
//
// Sources: Hillis and Steele, Data parallel algorithms (1986); Blelloch, Prefix sums and their applications (1990);
// Merrill and Garland, Single-pass parallel prefix scan with decoupled look-back (2016).

constexpr int THREADS = 256;         // of a block, in all versions but v1
constexpr int WARPS = THREADS / 32;
constexpr int ITEMS = 15;            // elements of a thread in v5: odd, so that a warp's reads meet all 32 banks
constexpr int TILE = THREADS * ITEMS;
constexpr unsigned ALL = 0xffffffffu;

// ------------------------------------------------------------------------------------------------- the two operators

template <class T> __device__ T identity();
template <> __device__ float identity<float>() { return 0.0f; }
template <> __device__ float2 identity<float2>() { return make_float2(1.0f, 0.0f); }

__device__ float combine(float left, float right) { return left + right; }
__device__ float2 combine(float2 left, float2 right) {
  return make_float2(left.x * right.x, right.x * left.y + right.y);
}

__device__ float shuffle_up(float value, int by) { return __shfl_up_sync(ALL, value, by); }
__device__ float2 shuffle_up(float2 value, int by) {
  return make_float2(__shfl_up_sync(ALL, value.x, by), __shfl_up_sync(ALL, value.y, by));
}

__device__ float shuffle_down(float value, int by) { return __shfl_down_sync(ALL, value, by); }
__device__ float2 shuffle_down(float2 value, int by) {
  return make_float2(__shfl_down_sync(ALL, value.x, by), __shfl_down_sync(ALL, value.y, by));
}

__device__ float shuffle_from(float value, int lane) { return __shfl_sync(ALL, value, lane); }
__device__ float2 shuffle_from(float2 value, int lane) {
  return make_float2(__shfl_sync(ALL, value.x, lane), __shfl_sync(ALL, value.y, lane));
}

// ----------------------------------------------------------------------------------------------------- v1: one thread

template <class T>
__device__ void scan_v1(const T* __restrict__ x, T* __restrict__ y, int n) {
  T sum = identity<T>();
  for (int i = 0; i < n; i++) {
    T here = x[i];
    sum = combine(sum, here);
    y[i] = sum;
  }
}

// ---------------------------------------------------------------------------------------------- v2: Hillis and Steele

template <class T>
__device__ void scan_v2(const T* __restrict__ x, T* __restrict__ y, int n) {
  __shared__ T level[2][THREADS];
  int t = threadIdx.x;
  T carry = identity<T>();
  for (int tile = 0; tile < n; tile += THREADS) {
    int i = tile + t;
    T here = identity<T>();
    if (i < n) here = x[i];
    int now = 0;
    level[now][t] = here;
    __syncthreads();
    for (int by = 1; by < THREADS; by *= 2) {
      if (t >= by) {
        T left = level[now][t - by];
        here = combine(left, here);
      }
      now = 1 - now;  // Reads were of one level, writes go to the other: one barrier is enough.
      level[now][t] = here;
      __syncthreads();
    }
    if (i < n) y[i] = combine(carry, here);
    T last = level[now][THREADS - 1];
    carry = combine(carry, last);
    __syncthreads();  // The next tile writes where this one has just read.
  }
}

// ------------------------------------------------------------------------------------------------------- v3: Blelloch

template <class T>
__device__ void scan_v3(const T* __restrict__ x, T* __restrict__ y, int n) {
  constexpr int LEAVES = 2 * THREADS;
  __shared__ T tree[LEAVES];
  int t = threadIdx.x;
  T carry = identity<T>();
  for (int tile = 0; tile < n; tile += LEAVES) {
    for (int leaf = t; leaf < LEAVES; leaf += THREADS) {
      T here = identity<T>();
      if (tile + leaf < n) here = x[tile + leaf];
      tree[leaf] = here;
    }
    __syncthreads();
    // Up: the right end of each span holds the span's sum.
    for (int half = 1; half < LEAVES; half *= 2) {
      int right = (2 * t + 2) * half - 1;
      if (right < LEAVES) {
        T left_sum = tree[right - half];
        T right_sum = tree[right];
        tree[right] = combine(left_sum, right_sum);
      }
      __syncthreads();
    }
    T total = tree[LEAVES - 1];
    __syncthreads();
    // Down: the right end of each span holds what comes before the span.
    if (t == 0) tree[LEAVES - 1] = carry;  // and thread 0 alone makes the first step down: no barrier
    for (int half = THREADS; half > 0; half /= 2) {
      int right = (2 * t + 2) * half - 1;
      if (right < LEAVES) {
        T before = tree[right];
        T left_sum = tree[right - half];
        tree[right - half] = before;
        tree[right] = combine(before, left_sum);
      }
      __syncthreads();
    }
    for (int leaf = t; leaf < LEAVES && tile + leaf < n; leaf += THREADS) {
      T before = tree[leaf];
      T here = x[tile + leaf];
      y[tile + leaf] = combine(before, here);
    }
    carry = combine(carry, total);  // The next tile's leaves are written by the threads that have read these.
  }
}

// --------------------------------------------------------------------------------------------------- v4: warp shuffles

// The inclusive scan of a warp's values.
template <class T>
__device__ T scan_warp(T value) {
  int lane = threadIdx.x % 32;
  for (int by = 1; by < 32; by *= 2) {
    T left = shuffle_up(value, by);
    if (lane >= by) value = combine(left, value);
  }
  return value;
}

// What comes before the calling thread in its block, and in `total` the block's sum. `sums` has an element per warp.
template <class T>
__device__ T scan_block_exclusive(T value, T* sums, T& total) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  T inclusive = scan_warp(value);
  if (lane == 31) sums[warp] = inclusive;
  __syncthreads();
  if (warp == 0) {
    T sum = identity<T>();
    if (lane < WARPS) sum = sums[lane];
    sum = scan_warp(sum);
    if (lane < WARPS) sums[lane] = sum;
  }
  __syncthreads();
  total = sums[WARPS - 1];
  T before = shuffle_up(inclusive, 1);
  if (lane == 0) before = identity<T>();
  if (warp == 0) return before;
  T warps_before = sums[warp - 1];
  return combine(warps_before, before);
}

template <class T>
__device__ void scan_v4(const T* __restrict__ x, T* __restrict__ y, int n) {
  __shared__ T sums[WARPS];
  T carry = identity<T>();
  for (int tile = 0; tile < n; tile += THREADS) {
    int i = tile + threadIdx.x;
    T here = identity<T>();
    if (i < n) here = x[i];
    T total;
    T before = scan_block_exclusive<T>(here, sums, total);
    if (i < n) y[i] = combine(combine(carry, before), here);
    carry = combine(carry, total);
    __syncthreads();
  }
}

// ----------------------------------------------------------------------------------------- v5: decoupled look-back

// What a tile has made known so far.
constexpr int NOTHING = 0, SUM = 1, PREFIX = 2;

// First the value, then the flag: the fence keeps this order for whoever reads the flag, then fences.
template <class T>
__device__ void publish(T* place, volatile int* flag, T value, int what) {
  *place = value;
  __threadfence();
  *flag = what;
}

// What comes before `tile`, by one warp: each lane looks at one predecessor, the nearest first.
template <class T>
__device__ T look_back(const volatile int* flags, const T* sums, const T* prefixes, int tile) {
  int lane = threadIdx.x % 32;
  T before = identity<T>();
  for (int nearest = tile - 1; nearest >= 0; nearest -= 32) {
    int there = nearest - lane;
    int what = PREFIX;  // In front of tile 0 nothing comes: its prefix is the identity.
    if (there >= 0) {
      do {
        what = flags[there];
      } while (what == NOTHING);
    }
    __threadfence();
    T value = identity<T>();
    if (there >= 0) {
      if (what == PREFIX) value = prefixes[there];
      else value = sums[there];
    }
    unsigned known = __ballot_sync(ALL, what == PREFIX);
    if (known != 0 && lane > __ffs(known) - 1) value = identity<T>();
    for (int by = 1; by < 32; by *= 2) {  // Higher lanes are further left.
      T left = shuffle_down(value, by);
      if (lane + by < 32) value = combine(left, value);
    }
    before = combine(shuffle_from(value, 0), before);
    if (known != 0) break;
  }
  return before;
}

// ticket: (1), flags: (tiles), both 0 at the launch; sums, prefixes: (tiles).
template <class T>
__device__ void scan_v5(const T* __restrict__ x, T* __restrict__ y, int n, int* ticket, volatile int* flags, T* sums,
                        T* prefixes) {
  __shared__ T staged[TILE];
  __shared__ T warp_sums[WARPS];
  __shared__ T carried[1];
  __shared__ int drawn[1];
  int t = threadIdx.x;
  // Blocks may start in any order; a tile must never wait for one that has not started. So tiles are given out.
  if (t == 0) drawn[0] = atomicAdd(&ticket[0], 1);
  __syncthreads();
  int tile = drawn[0];
  int start = tile * TILE;

  // A warp reads neighbours from memory, but a thread needs ITEMS in a row: exchanged through shared memory.
  for (int item = t; item < TILE; item += THREADS) {
    T here = identity<T>();
    if (start + item < n) here = x[start + item];
    staged[item] = here;
  }
  __syncthreads();
  T own[ITEMS];
  T sum = identity<T>();
  for (int k = 0; k < ITEMS; k++) {
    T here = staged[t * ITEMS + k];
    sum = combine(sum, here);
    own[k] = sum;
  }
  T total;
  T before = scan_block_exclusive<T>(sum, warp_sums, total);

  if (t < 32) {
    if (t == 0 && tile > 0) publish<T>(&sums[tile], &flags[tile], total, SUM);
    T prefix = look_back<T>(flags, sums, prefixes, tile);
    if (t == 0) {
      publish<T>(&prefixes[tile], &flags[tile], combine(prefix, total), PREFIX);
      carried[0] = prefix;
    }
  }
  __syncthreads();
  T prefix = carried[0];
  before = combine(prefix, before);
  for (int k = 0; k < ITEMS; k++) staged[t * ITEMS + k] = combine(before, own[k]);
  __syncthreads();
  for (int item = t; item < TILE && start + item < n; item += THREADS) {
    T here = staged[item];
    y[start + item] = here;
  }
}

// -------------------------------------------------------------------------------------------------------- the kernels

extern "C" __global__ void prefix_sum_v1(const float* x, float* y, int n) { scan_v1(x, y, n); }
extern "C" __global__ void prefix_sum_v2(const float* x, float* y, int n) { scan_v2(x, y, n); }
extern "C" __global__ void prefix_sum_v3(const float* x, float* y, int n) { scan_v3(x, y, n); }
extern "C" __global__ void prefix_sum_v4(const float* x, float* y, int n) { scan_v4(x, y, n); }
extern "C" __global__ void prefix_sum_v5(const float* x, float* y, int n, int* ticket, volatile int* flags, float* sums,
                                         float* prefixes) {
  scan_v5(x, y, n, ticket, flags, sums, prefixes);
}

extern "C" __global__ void linear_scan_v1(const float2* x, float2* y, int n) { scan_v1(x, y, n); }
extern "C" __global__ void linear_scan_v2(const float2* x, float2* y, int n) { scan_v2(x, y, n); }
extern "C" __global__ void linear_scan_v3(const float2* x, float2* y, int n) { scan_v3(x, y, n); }
extern "C" __global__ void linear_scan_v4(const float2* x, float2* y, int n) { scan_v4(x, y, n); }
extern "C" __global__ void linear_scan_v5(const float2* x, float2* y, int n, int* ticket, volatile int* flags,
                                          float2* sums, float2* prefixes) {
  scan_v5(x, y, n, ticket, flags, sums, prefixes);
}
