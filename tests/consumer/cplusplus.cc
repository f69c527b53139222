// SPDX-License-Identifier: BSD-3-Clause
// A C++ program: the header is C and C++.
#include <mirrortap_consumer.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

int main()
{
	mirrortap_options options{};
	mirrortap_consumer *consumer = nullptr;
	char error[256];

	options.output = "none";
	options.folder = "/nonexistent";
	const int rc = mirrortap_attach(&options, &consumer, error, sizeof error);
	std::printf("%s: %d, %s\n", mirrortap_version(), rc, error);
	mirrortap_detach(consumer); // nothing
	return rc == -ENOENT && std::strstr(error, "/nonexistent") != nullptr ? 0 : 1;
}
