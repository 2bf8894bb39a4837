#include "python/command.h"

int main(int argc, char** argv) { return gumtile_command(argc, argv); }
