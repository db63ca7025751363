#include <stdio.h>
#include <string.h>

#include <greet.h>

int main(void)
{
	char line[128];
	FILE *f = fopen("/usr/share/greetings/greeting", "r");

	if (f == NULL || fgets(line, sizeof line, f) == NULL) {
		perror("/usr/share/greetings/greeting");
		return 1;
	}
	line[strcspn(line, "\n")] = '\0';
	fclose(f);
	return greet(line, VERSION);
}
