#ifndef GREET_H
#define GREET_H

/* greet prints the greeting and the version; it returns 0 when that worked. */
int greet(const char *greeting, const char *version);

#endif
