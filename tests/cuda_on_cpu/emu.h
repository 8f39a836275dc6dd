// The part of CUDA that Brian2CUDA's generated code uses, on one CPU core; emu.cpp runs it.
// One pass compiles host and device: where they differ, the code takes what a device takes.

#ifndef EMU_H
#define EMU_H

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __CUDA_ARCH__ 900
#define CURAND_H_

// --- runtime -------------------------------------------------------------------------------------

enum cudaError {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9
};
typedef cudaError cudaError_t;
enum cudaMemcpyKind {
    cudaMemcpyHostToHost,
    cudaMemcpyHostToDevice,
    cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice
};
enum cudaLimit { cudaLimitMallocHeapSize = 2 };
struct cudaDeviceProp {
    char name[256];
    int multiProcessorCount, maxThreadsPerBlock, maxThreadsPerMultiProcessor, warpSize;
    int major, minor;
    size_t sharedMemPerBlock, totalGlobalMem;
};
struct cudaFuncAttributes {
    int maxThreadsPerBlock, numRegs;
    size_t sharedSizeBytes, localSizeBytes, constSizeBytes;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct uint3 { unsigned x, y, z; };
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

cudaError cudaGetLastError();
const char* cudaGetErrorString(cudaError);
cudaError cudaDeviceSynchronize();
cudaError cudaSetDevice(int);
cudaError cudaProfilerStart();
cudaError cudaProfilerStop();
cudaError cudaDeviceReset();
cudaError cudaDeviceSetLimit(cudaLimit, size_t);
cudaError cudaGetDeviceProperties(cudaDeviceProp*, int);
cudaError cudaMemGetInfo(size_t*, size_t*);
cudaError cudaMalloc(void**, size_t);
template <class T> cudaError cudaMalloc(T** p, size_t n) { return cudaMalloc((void**)p, n); }
cudaError cudaFree(void*);
cudaError cudaMemcpy(void*, const void*, size_t, cudaMemcpyKind);
cudaError cudaMemset(void*, int, size_t);

namespace emu {

int setting(const char* name, int otherwise);
void barrier(const char* file, int line);
void spin();  // a thread waits for another: let others run
void* heap_malloc(size_t);  // malloc in a kernel; plain malloc outside
void heap_free(void*);
char* shared_memory();
void to_symbol(void* symbol, size_t size, const void* from, size_t n);
void check_pointer(const char* kernel, const void*);
void run_grid(const char* name, dim3 grid, dim3 block, size_t shared, void (*call)(void*), void*);

template <class T> void check_argument(const char* kernel, const T& a)
{
    if constexpr (std::is_pointer<T>::value)
        check_pointer(kernel, (const void*)a);
}

// A kernel with its launch configuration; every thread gets copies of the arguments.
template <class... P> struct Launch {
    const char* name;
    void (*kernel)(P...);
    dim3 grid, block;
    size_t shared;

    template <class... A> void operator()(A&&... a) const
    {
        typedef std::tuple<void (*)(P...), std::tuple<P...>> What;
        What what(kernel, std::tuple<P...>(a...));
        std::apply([this](const auto&... x) { (check_argument(name, x), ...); }, std::get<1>(what));
        const auto call = [](void* w) {
            What& both = *static_cast<What*>(w);
            std::apply(std::get<0>(both), std::get<1>(both));
        };
        run_grid(name, grid, block, shared, call, &what);
    }
};

template <class... P>
Launch<P...> launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block,
                    size_t shared = 0, void* = nullptr)
{
    return {name, kernel, grid, block, shared};
}

}  // namespace emu

#define EMU_LAUNCH(kernel, ...) emu::launch(#kernel, kernel, __VA_ARGS__)

template <class T> cudaError cudaMemcpyToSymbol(T& symbol, const void* from, size_t n)
{
    emu::to_symbol(&symbol, sizeof(T), from, n);
    return cudaSuccess;
}
template <class F>
cudaError cudaOccupancyMaxPotentialBlockSize(int* grid, int* block, F, size_t = 0, int = 0)
{
    *grid = 1;
    *block = emu::setting("EMU_OCCUPANCY", 256);
    return cudaSuccess;
}
template <class F>
cudaError cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* n, F, int threads, size_t)
{
    *n = threads > 0 ? 2048/threads : 0;
    return cudaSuccess;
}
template <class F> cudaError cudaFuncGetAttributes(cudaFuncAttributes* a, F)
{
    *a = {emu::setting("EMU_KERNEL_THREADS", 1024), 32, 0, 0, 0};
    return cudaSuccess;
}

// --- in kernels ----------------------------------------------------------------------------------

#define __syncthreads() emu::barrier(__FILE__, __LINE__)
inline void __threadfence() {}
template <class T, class V> T atomicAdd(T* p, V v)
{
    const T old = *p;
    *p = old + (T)v;
    return old;
}
template <class T, class V, class W> T atomicCAS(T* p, V expected, W v)
{
    const T old = *p;
    if (old == (T)expected)
        *p = (T)v;
    else
        emu::spin();
    return old;
}
template <class T, class V> T atomicExch(T* p, V v)
{
    const T old = *p;
    *p = (T)v;
    return old;
}
template <class To, class From> To emu_bits(From x)
{
    static_assert(sizeof(To) == sizeof(From), "");
    To y;
    memcpy(&y, &x, sizeof y);
    return y;
}
inline long long __double_as_longlong(double x) { return emu_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emu_bits<double>(x); }
inline int __float_as_int(float x) { return emu_bits<int>(x); }
inline float __int_as_float(int x) { return emu_bits<float>(x); }

// --- cuRAND: there, but nothing may be drawn -----------------------------------------------------

enum curandStatus_t {
    CURAND_STATUS_SUCCESS = 0,
    CURAND_STATUS_VERSION_MISMATCH = 100,
    CURAND_STATUS_NOT_INITIALIZED,
    CURAND_STATUS_ALLOCATION_FAILED,
    CURAND_STATUS_TYPE_ERROR,
    CURAND_STATUS_OUT_OF_RANGE,
    CURAND_STATUS_LENGTH_NOT_MULTIPLE,
    CURAND_STATUS_DOUBLE_PRECISION_REQUIRED,
    CURAND_STATUS_LAUNCH_FAILURE = 201,
    CURAND_STATUS_PREEXISTING_FAILURE,
    CURAND_STATUS_INITIALIZATION_FAILED,
    CURAND_STATUS_ARCH_MISMATCH,
    CURAND_STATUS_INTERNAL_ERROR = 999
};
enum curandRngType { CURAND_RNG_PSEUDO_DEFAULT = 100 };
typedef struct curandGenerator_st* curandGenerator_t;
struct curandState { int unused; };
inline curandStatus_t curandCreateGenerator(curandGenerator_t* g, curandRngType)
{
    *g = nullptr;
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandDestroyGenerator(curandGenerator_t) { return CURAND_STATUS_SUCCESS; }
template <class... A> curandStatus_t curandSetPseudoRandomGeneratorSeed(A...)
{
    return CURAND_STATUS_SUCCESS;
}
template <class... A> curandStatus_t curandSetGeneratorOffset(A...)
{
    return CURAND_STATUS_SUCCESS;
}
template <class... A> curandStatus_t emu_draw(A...)
{
    fprintf(stderr, "EMU: cuRAND was asked for a number\n");
    abort();
}
#define curandGenerateUniform emu_draw
#define curandGenerateUniformDouble emu_draw
#define curandGenerateNormal emu_draw
#define curandGenerateNormalDouble emu_draw
#define curandGeneratePoisson emu_draw
template <class... A> void curand_init(A...) {}
template <class... A> float curand_uniform(A...) { return emu_draw(); }
template <class... A> double curand_uniform_double(A...) { return emu_draw(); }
template <class... A> float curand_normal(A...) { return emu_draw(); }
template <class... A> double curand_normal_double(A...) { return emu_draw(); }
template <class... A> unsigned curand_poisson(A...) { return emu_draw(); }

// --- thrust --------------------------------------------------------------------------------------

namespace thrust {

template <class T> struct device_ptr {
    T* p;
    explicit device_ptr(T* p = nullptr) : p(p) {}
    device_ptr operator+(ptrdiff_t n) const { return device_ptr(p + n); }
};
template <class T> T* raw_pointer_cast(device_ptr<T> d) { return d.p; }
template <class T> T* raw_pointer_cast(T* p) { return p; }
template <class T> struct device_reference {
    T* p;
    operator T() const
    {
        T x;
        cudaMemcpy(&x, p, sizeof x, cudaMemcpyDeviceToHost);
        return x;
    }
    device_reference& operator=(const T& x)
    {
        cudaMemcpy(p, &x, sizeof x, cudaMemcpyHostToDevice);
        return *this;
    }
    device_ptr<T> operator&() const { return device_ptr<T>(p); }
};
template <class T> using host_vector = std::vector<T>;

template <class T> class device_vector {
    T* p = nullptr;
    size_t n = 0, room = 0;

    void grow(size_t to)
    {
        T* q;
        cudaMalloc((void**)&q, to*sizeof(T));
        if (n)
            cudaMemcpy(q, p, n*sizeof(T), cudaMemcpyDeviceToDevice);
        cudaFree(p);
        p = q;
        room = to;
    }
    device_vector& take(const T* from, size_t m, cudaMemcpyKind kind)
    {
        n = 0;
        resize(m);
        cudaMemcpy(p, from, m*sizeof(T), kind);
        return *this;
    }

public:
    device_vector() {}
    device_vector(size_t m) { resize(m); }
    device_vector(const device_vector& o) { *this = o; }
    ~device_vector() { cudaFree(p); }
    device_vector& operator=(const device_vector& o)
    {
        return take(o.p, o.n, cudaMemcpyDeviceToDevice);
    }
    device_vector& operator=(const std::vector<T>& o)
    {
        return take(o.data(), o.size(), cudaMemcpyHostToDevice);
    }
    operator std::vector<T>() const
    {
        std::vector<T> v(n);
        cudaMemcpy(v.data(), p, n*sizeof(T), cudaMemcpyDeviceToHost);
        return v;
    }
    size_t size() const { return n; }
    void clear() { n = 0; }
    void resize(size_t m)
    {
        if (m > room)
            grow(std::max(m, 2*room));
        if (m > n)
            cudaMemset(p + n, 0, (m - n)*sizeof(T));
        n = m;
    }
    void shrink_to_fit() {}
    void push_back(const T& x)
    {
        resize(n + 1);
        (*this)[n - 1] = x;
    }
    void swap(device_vector& o)
    {
        std::swap(p, o.p);
        std::swap(n, o.n);
        std::swap(room, o.room);
    }
    device_reference<T> operator[](size_t k) const { return {p + k}; }
};

template <class A, class B> using pair = std::pair<A, B>;
template <class I> void sequence(I a, I b) { std::iota(a, b, 0); }
template <class K, class V> void sort_by_key(K a, K b, V v)  // stable, which thrust's need not be
{
    typedef typename std::iterator_traits<K>::value_type key;
    typedef typename std::iterator_traits<V>::value_type value;
    std::vector<std::pair<key, value>> both;
    V w = v;
    for (K k = a; k != b; ++k, ++w)
        both.emplace_back(*k, *w);
    const auto less = [](const auto& x, const auto& y) { return x.first < y.first; };
    std::stable_sort(both.begin(), both.end(), less);
    for (const auto& x : both) {
        *a++ = x.first;
        *v++ = x.second;
    }
}
template <class K, class V> std::pair<K, V> unique_by_key(K a, K b, V v)
{
    K to = a;
    V vto = v;
    for (K k = a; k != b; ++k, ++v)
        if (k == a || !(*k == *(to - 1))) {
            *to++ = *k;
            *vto++ = *v;
        }
    return {to, vto};
}

}  // namespace thrust

#include "emu_math.h"  // exp, log and cos of device cpp, if it is to be compared with

// from here on, all that the generated code allocates itself
#define malloc(n) emu::heap_malloc(n)
#define free(p) emu::heap_free((void*)(p))

#endif
