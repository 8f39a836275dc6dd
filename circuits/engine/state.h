// What a program starts from: its numbers, and all that changes in a run, kept from one launch to the
// next. A run in pieces is the run in one.

#ifndef _PULVINAR_STATE_H
#define _PULVINAR_STATE_H

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>
#ifdef __linux__
#include <csignal>
#include <sys/prctl.h>
#endif

#include "synapses_classes.h"

namespace pulvinar {

// Of a program whose driver was killed nobody would ever read the results.
inline void end_with_parent()
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

// Fill an array from a file of numbers of the type of the last argument, without a copy of it all.
template <class To, class T>
void fill(To& to, size_t n, const char* file, const T*)
{
    std::ifstream in(file, std::ios::binary);
    std::vector<T> part(65536);
    for (size_t first = 0; first < n; first += part.size()) {
        const size_t left = n - first < part.size() ? n - first : part.size();
        if (!in.read(reinterpret_cast<char*>(part.data()), left*sizeof(T))) {
            std::cerr << file << ": ends too early, or is not there" << std::endl;
            std::_Exit(1);
        }
        for (size_t k = 0; k < left; k++)
            to[first + k] = part[k];
    }
}

// Visited item by item, in the same order for loading and saving. Every item has its name and size
// before it, the file a checksum behind it: nothing is loaded from a file that is not whole.
class State
{
    std::string path, begin;
    std::vector<char> bytes;
    size_t at = 0;
    bool loading = false;

    void fail(const std::string& what) const
    {
        std::cerr << path << ": " << what << std::endl;
        std::_Exit(1);
    }

    void copy(void* data, size_t size)
    {
        char* const first = static_cast<char*>(data);
        if (!loading) {
            bytes.insert(bytes.end(), first, first + size);
            return;
        }
        if (size > bytes.size() - at)
            fail("this state ends too early");
        if (size)
            std::memcpy(first, &bytes[at], size);
        at += size;
    }

    void head(const std::string& expected)
    {
        std::string found = expected;
        copy(&found[0], found.size());
        if (found != expected)
            fail("this state is that of another program");
    }

    // Fowler, Noll & Vo
    static uint64_t checksum(const char* data, size_t size)
    {
        uint64_t sum = 14695981039346656037ULL;
        for (size_t k = 0; k < size; k++)
            sum = (sum ^ static_cast<unsigned char>(data[k]))*1099511628211ULL;
        return sum;
    }

public:
    explicit State(const std::string& digest) : begin("pulvinar state 1 " + digest + "\n") {}

    // Whether there is a state to start from; it is read and checked.
    bool open(const char* file)
    {
        if (!file)
            return false;
        path = file;
        std::ifstream in(file, std::ios::binary);
        if (!in)
            fail("no such state");
        bytes.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
        uint64_t sum;
        if (bytes.size() < sizeof(sum) || std::memcmp(&bytes[0], "pulvinar state ", 15))
            fail("this is no state of a run");
        const size_t size = bytes.size() - sizeof(sum);
        std::memcpy(&sum, &bytes[size], sizeof(sum));
        if (sum != checksum(&bytes[0], size))
            fail("this state is damaged");
        bytes.resize(size);
        loading = true;
        at = 0;
        head(begin);
        return true;
    }

    // Whether a state is to be kept.
    bool create(const char* file)
    {
        if (!file)
            return false;
        path = file;
        loading = false;
        bytes.clear();
        head(begin);
        return true;
    }

    void array(const std::string& name, void* data, size_t size)
    {
        head(name + " " + std::to_string(size) + "\n");
        copy(data, size);
    }

    template <class T> void array(const std::string& name, std::vector<T>& values)
    {
        array(name, values.data(), values.size()*sizeof(T));
    }

    void queue(const std::string& name, CSpikeQueue& queue)
    {
        head(name + " queue\n");
        int64_t offset = queue.offset, slots = queue.queue.size();
        copy(&offset, sizeof(offset));
        copy(&slots, sizeof(slots));
        queue.offset = offset;
        queue.queue.resize(slots);
        for (std::vector<int32_t>& slot : queue.queue) {
            int64_t spikes = slot.size();
            copy(&spikes, sizeof(spikes));
            slot.resize(spikes);
            copy(slot.data(), spikes*sizeof(int32_t));
        }
    }

    // Durations add up with rounding errors; a step that is missed by one would be simulated twice.
    void time(double& t, double dt)
    {
        t = std::floor(t/dt + 0.5)*dt;
        array("time", &t, sizeof(t));
    }

    void close()
    {
        if (loading) {
            if (at != bytes.size())
                fail("this state is that of another program");
            return;
        }
        uint64_t sum = checksum(bytes.data(), bytes.size());
        copy(&sum, sizeof(sum));
        std::ofstream out(path, std::ios::binary);
        out.write(bytes.data(), bytes.size());
        out.close();
        if (!out)
            fail("cannot write the state");
    }
};

}

#endif
