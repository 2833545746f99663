/* What fork and exec are measured with. */
int main(void)
{
    return 0;
}
