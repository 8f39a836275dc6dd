// Runs what emu.h declares; its settings are told in __init__.py.
//
// A fiber takes thread after thread of a block, until one of them waits at a barrier or for a lock;
// only then is another fiber started. When no thread of a block can go on, all that wait are let go.

#include "emu.h"
#undef malloc
#undef free
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <new>
#include <random>

uint3 threadIdx{0, 0, 0}, blockIdx{0, 0, 0};
dim3 blockDim, gridDim;

namespace emu {

int setting(const char* name, int otherwise)
{
    const char* text = getenv(name);
    return text && *text ? atoi(text) : otherwise;
}

[[noreturn]] static void fail(const std::string& what)
{
    fprintf(stderr, "EMU: %s\n", what.c_str());
    fflush(stderr);
    abort();
}

static const char* kernel_name = nullptr;  // of the kernel that runs
static bool in_thread = false;  // one of its threads runs, not the scheduler
static cudaError last_error = cudaSuccess;

// --- counts --------------------------------------------------------------------------------------

struct Count {
    long launches = 0, blocks = 0, threads = 0, parked = 0, spins = 0;
};
static struct {
    long copies[4] = {0, 0, 0, 0}, sets = 0, allocations = 0;
    size_t bytes = 0, peak = 0;  // of device memory
    size_t heap_limit = 8 << 20, heap = 0, heap_peak = 0;
    long heap_calls = 0, heap_live = 0, heap_refused = 0, divergent = 0;
} counts;

// neither is ever destroyed: the generated code frees device memory after main
static std::map<std::string, Count>& kernels()
{
    static auto* all = new std::map<std::string, Count>;
    return *all;
}
static std::map<char*, size_t>& allocated()
{
    static auto* all = new std::map<char*, size_t>;
    return *all;
}

static struct Report {
    ~Report()
    {
        const char* path = getenv("EMU_REPORT");
        if (!path)
            return;
        std::ofstream out(path);
        out << "{\"to_device\": " << counts.copies[cudaMemcpyHostToDevice]
            << ", \"to_host\": " << counts.copies[cudaMemcpyDeviceToHost]
            << ", \"on_device\": " << counts.copies[cudaMemcpyDeviceToDevice]
            << ", \"sets\": " << counts.sets << ", \"allocations\": " << counts.allocations
            << ", \"device_bytes\": " << counts.peak << ", \"heap_bytes\": " << counts.heap_peak
            << ", \"heap_calls\": " << counts.heap_calls << ", \"heap_live\": " << counts.heap_live
            << ", \"heap_refused\": " << counts.heap_refused
            << ", \"divergent\": " << counts.divergent << ",\n\"kernels\": {";
        const char* between = "\n";
        for (const auto& [name, c] : kernels()) {
            out << between << "\"" << name << "\": {\"launches\": " << c.launches
                << ", \"blocks\": " << c.blocks << ", \"threads\": " << c.threads
                << ", \"parked\": " << c.parked << ", \"spins\": " << c.spins << "}";
            between = ",\n";
        }
        out << "}}\n";
    }
} report;

// --- memory --------------------------------------------------------------------------------------

static const bool strict = setting("EMU_STRICT", 0);
static const size_t ARENA = 8ull << 30;
static char* arena = nullptr;
static size_t arena_used = 0;
static int opened = 0;

static void on_fault(int, siginfo_t* info, void*)
{
    const char* at = (const char*)info->si_addr;
    const bool ours = at >= arena && at < arena + ARENA && !opened;
    const char* text = ours ? "EMU: the host touches device memory\n" : "EMU: segmentation fault\n";
    (void)!write(2, text, strlen(text));
    _exit(139);
}

// While one lives, device memory can be touched.
struct Open {
    Open() { protect(opened++ == 0, PROT_READ | PROT_WRITE); }
    ~Open() { protect(--opened == 0, PROT_NONE); }
    static void protect(bool change, int how)
    {
        if (strict && change && arena_used)
            mprotect(arena, arena_used, how);
    }
};

static char* take(size_t n)
{
    n = (n + 4095)/4096*4096;
    if (!strict)
        return (char*)aligned_alloc(4096, n);
    if (!arena) {
        const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        arena = (char*)mmap(nullptr, ARENA, PROT_READ | PROT_WRITE, how, -1, 0);
        struct sigaction act {};
        act.sa_sigaction = on_fault;
        act.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigaction(SIGSEGV, &act, nullptr);
    }
    if (arena == MAP_FAILED || arena_used + n > ARENA)
        fail("device memory is full");
    arena_used += n;
    return arena + arena_used - n;
}

static bool on_device(const void* p, size_t n, const char* what)
{
    auto next = allocated().upper_bound((char*)p);
    if (next == allocated().begin())
        return false;
    const auto& [start, size] = *--next;
    if ((char*)p >= start + size)
        return false;
    if ((char*)p + n > start + size)
        fail(std::string(what) + " beyond the end of device memory");
    return true;
}

void check_pointer(const char* kernel, const void* p)
{
    // one to memory that a vector has left, given and not used, is a habit of Brian2CUDA
    if (strict && p && !((char*)p >= arena && (char*)p < arena + ARENA))
        fail(std::string(kernel) + " is given a host pointer");
}

void to_symbol(void* symbol, size_t size, const void* from, size_t n)
{
    if (n > size)
        fail("cudaMemcpyToSymbol of more than the symbol");
    memcpy(symbol, from, n);
}

struct Head { size_t magic, taken; };  // before each piece of the heap of kernels
static const size_t MAGIC = 0x656d755f68656170;

void* heap_malloc(size_t n)
{
    if (!in_thread)
        return ::malloc(n);
    static const size_t overhead = setting("EMU_HEAP_OVERHEAD", 0);
    const size_t taken = (n + 15)/16*16 + overhead;
    ++counts.heap_calls;
    if (counts.heap + taken > counts.heap_limit) {
        ++counts.heap_refused;
        return nullptr;
    }
    counts.heap += taken;
    counts.heap_peak = std::max(counts.heap_peak, counts.heap);
    ++counts.heap_live;
    Head* head = (Head*)::malloc(sizeof(Head) + n);
    *head = {MAGIC, taken};
    memset(head + 1, 0xFF, n);
    return head + 1;
}

void heap_free(void* p)
{
    if (!p || !in_thread) {
        ::free(p);
        return;
    }
    Head* head = (Head*)p - 1;
    if (head->magic != MAGIC)
        fail("a kernel frees memory that none has allocated");
    head->magic = 0;
    counts.heap -= head->taken;
    --counts.heap_live;
    ::free(head);
}

// --- threads -------------------------------------------------------------------------------------

struct Block;
struct Fiber {
    ucontext_t context;
    Block* block;
    uint3 thread;
    const char* file;
    int line;
    bool done;
};
struct Block {
    unsigned index;
    std::vector<unsigned> order;  // of threads
    size_t next = 0;
    std::vector<Fiber*> ready, waiting;
    std::vector<char> shared;
};

static const size_t STACK = 128 << 10;
static std::vector<Fiber*> pool;
static Fiber* current = nullptr;
static ucontext_t scheduler;
static void (*call)(void*);
static void* what;
static Count* count;
static long spins;  // since a thread last went on
static const int mode = setting("EMU_ORDER", 0);
static const unsigned resident = mode > 1 ? setting("EMU_RESIDENT", 1) : 1;
static std::mt19937 random_bits(mode);

static void work()
{
    for (;;) {
        do {
            Block* block = current->block;
            threadIdx = current->thread = {block->order[block->next++], 0, 0};
            call(what);
            spins = 0;
        } while (resident == 1 && current->block->next < current->block->order.size());
        current->done = true;
        swapcontext(&current->context, &scheduler);  // comes back when it is used again
    }
}

static Fiber* fiber(Block* block)
{
    if (pool.empty()) {
        const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void* stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, how, -1, 0);
        if (stack == MAP_FAILED)
            fail("no memory for a stack");
        Fiber* made = new Fiber;
        getcontext(&made->context);
        made->context.uc_stack.ss_sp = stack;
        made->context.uc_stack.ss_size = STACK;
        made->context.uc_link = nullptr;
        makecontext(&made->context, work, 0);
        pool.push_back(made);
    }
    Fiber* f = pool.back();
    pool.pop_back();
    f->done = false;
    f->block = block;
    return f;
}

static void resume(Fiber* f)
{
    current = f;
    threadIdx = f->thread;
    in_thread = true;
    swapcontext(&scheduler, &f->context);
    in_thread = false;
    current = nullptr;
    if (f->done)
        pool.push_back(f);
}

static void park(std::vector<Fiber*>& where)
{
    Fiber* me = current;
    where.push_back(me);
    swapcontext(&me->context, &scheduler);
}

void barrier(const char* file, int line)
{
    if (!current)
        fail("__syncthreads outside of a kernel");
    current->file = file;
    current->line = line;
    ++count->parked;
    spins = 0;
    park(current->block->waiting);
}

void spin()
{
    if (!current)
        fail("an atomic operation outside of a kernel");
    ++count->spins;
    if (++spins > 1000000)
        fail(std::string(kernel_name) + ": a lock is never released");
    park(current->block->ready);
}

char* shared_memory() { return current->block->shared.data(); }

static void check_same_barrier(const Block& block)
{
    for (const Fiber* f : block.waiting)
        if (f->line != block.waiting[0]->line || strcmp(f->file, block.waiting[0]->file)) {
            ++counts.divergent;
            return;
        }
}

// Let one thread of a block go on; return whether there is any left.
static bool go_on(Block& block)
{
    blockIdx = {block.index, 0, 0};
    const bool fresh = block.next < block.order.size();
    if (fresh && (block.ready.empty() || mode <= 1 || random_bits() % 2)) {
        resume(fiber(&block));
    } else if (!block.ready.empty()) {
        Fiber* f = block.ready.front();
        block.ready.erase(block.ready.begin());
        resume(f);
    } else if (!block.waiting.empty()) {
        check_same_barrier(block);
        block.ready.swap(block.waiting);
        if (mode > 1)
            std::shuffle(block.ready.begin(), block.ready.end(), random_bits);
    } else {
        return false;
    }
    return true;
}

static std::vector<unsigned> sequence(unsigned n)
{
    std::vector<unsigned> all(n);
    std::iota(all.begin(), all.end(), 0u);
    if (mode == 1)
        std::reverse(all.begin(), all.end());
    if (mode > 1)
        std::shuffle(all.begin(), all.end(), random_bits);
    return all;
}

void run_grid(const char* name, dim3 grid, dim3 block, size_t shared, void (*c)(void*), void* w)
{
    static const unsigned largest =
        std::min(setting("EMU_THREADS", 1024), setting("EMU_KERNEL_THREADS", 1024));
    if (kernel_name)
        fail("a kernel launches a kernel");
    const bool flat = grid.y == 1 && grid.z == 1 && block.y == 1 && block.z == 1;
    if (grid.x == 0 || block.x == 0 || block.x > largest || !flat || shared > 48 << 10) {
        fprintf(stderr, "EMU: %s launched with %u blocks of %u threads\n", name, grid.x, block.x);
        last_error = cudaErrorInvalidConfiguration;
        return;
    }
    count = &kernels()[name];
    ++count->launches;
    count->blocks += grid.x;
    count->threads += (long)grid.x*block.x;
    Open door;
    kernel_name = name;
    gridDim = grid;
    blockDim = block;
    call = c;
    what = w;
    const std::vector<unsigned> blocks = sequence(grid.x);
    size_t next = 0;
    std::vector<Block*> under_way;
    while (next < blocks.size() || !under_way.empty()) {
        while (next < blocks.size() && under_way.size() < resident) {
            Block* b = new Block{blocks[next++], sequence(block.x)};
            // in a kernel nothing here may allocate
            b->ready.reserve(block.x);
            b->waiting.reserve(block.x);
            b->shared.assign(shared + 1, (char)0xFF);
            under_way.push_back(b);
        }
        const size_t k = under_way.size() == 1 ? 0 : random_bits() % under_way.size();
        if (!go_on(*under_way[k])) {
            delete under_way[k];
            under_way.erase(under_way.begin() + k);
        }
    }
    kernel_name = nullptr;
}

}  // namespace emu

using namespace emu;

void* operator new(size_t n)
{
    void* p = heap_malloc(n ? n : 1);
    if (!p && !in_thread)
        throw std::bad_alloc();
    return p;
}
void* operator new[](size_t n) { return operator new(n); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return heap_malloc(n ? n : 1); }
void* operator new[](size_t n, const std::nothrow_t&) noexcept { return heap_malloc(n ? n : 1); }
void operator delete(void* p) noexcept { heap_free(p); }
void operator delete[](void* p) noexcept { heap_free(p); }
void operator delete(void* p, size_t) noexcept { heap_free(p); }
void operator delete[](void* p, size_t) noexcept { heap_free(p); }

// --- runtime -------------------------------------------------------------------------------------

cudaError cudaGetLastError()
{
    const cudaError e = last_error;
    last_error = cudaSuccess;
    return e;
}

const char* cudaGetErrorString(cudaError e)
{
    return e == cudaErrorInvalidConfiguration ? "invalid configuration argument" : "error";
}

cudaError cudaDeviceSynchronize() { return cudaSuccess; }
cudaError cudaSetDevice(int) { return cudaSuccess; }
cudaError cudaProfilerStart() { return cudaSuccess; }
cudaError cudaProfilerStop() { return cudaSuccess; }
cudaError cudaDeviceReset() { return cudaSuccess; }

cudaError cudaDeviceSetLimit(cudaLimit, size_t n)
{
    counts.heap_limit = n;
    return cudaSuccess;
}

cudaError cudaGetDeviceProperties(cudaDeviceProp* p, int)
{
    memset(p, 0, sizeof *p);
    strcpy(p->name, "emulated");
    p->multiProcessorCount = setting("EMU_SMS", 4);
    p->maxThreadsPerBlock = setting("EMU_THREADS", 1024);
    p->maxThreadsPerMultiProcessor = 2048;
    p->warpSize = 32;
    p->major = 9;
    p->sharedMemPerBlock = 48 << 10;
    p->totalGlobalMem = 80ull << 30;
    return cudaSuccess;
}

cudaError cudaMemGetInfo(size_t* free, size_t* total)
{
    *total = 80ull << 30;
    *free = *total - counts.bytes;
    return cudaSuccess;
}

cudaError cudaMalloc(void** p, size_t n)
{
    if (kernel_name)
        fail("cudaMalloc in a kernel");
    *p = nullptr;
    if (n == 0)
        return cudaSuccess;
    Open door;
    *p = take(n);
    memset(*p, 0xFF, n);  // NaN, -1
    allocated()[(char*)*p] = n;
    ++counts.allocations;
    counts.bytes += n;
    counts.peak = std::max(counts.peak, counts.bytes);
    return cudaSuccess;
}

cudaError cudaFree(void* p)
{
    if (!p)
        return cudaSuccess;
    const auto found = allocated().find((char*)p);
    if (found == allocated().end())
        fail("cudaFree of what is no start of device memory");
    counts.bytes -= found->second;
    allocated().erase(found);
    if (!strict)
        ::free(p);
    return cudaSuccess;
}

cudaError cudaMemcpy(void* to, const void* from, size_t n, cudaMemcpyKind kind)
{
    if (n == 0)
        return cudaSuccess;
    const bool want_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool want_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    const bool to_device = on_device(to, n, "cudaMemcpy to");
    if (to_device != want_to || on_device(from, n, "cudaMemcpy from") != want_from)
        fail("cudaMemcpy of another kind than its pointers");
    Open door;
    ++counts.copies[kind];
    memcpy(to, from, n);
    return cudaSuccess;
}

cudaError cudaMemset(void* p, int value, size_t n)
{
    if (n == 0)
        return cudaSuccess;
    if (!on_device(p, n, "cudaMemset"))
        fail("cudaMemset of host memory");
    Open door;
    ++counts.sets;
    memset(p, value, n);
    return cudaSuccess;
}
