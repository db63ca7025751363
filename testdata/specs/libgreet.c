#include <stdio.h>

#include "greet.h"

int greet(const char *greeting, const char *version)
{
	return printf("%s from hello %s\n", greeting, version) < 0;
}
