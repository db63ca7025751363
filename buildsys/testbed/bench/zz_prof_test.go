package bench
import ("testing";"os";"fmt";"github.com/privyseal/privyseal/internal/lab")
func TestProfRPMs(t *testing.T){ d:=os.Getenv("PROF_DIR"); if d=="" {return}; for i:=range 1000 { lab.RPM{Name: fmt.Sprintf("prof-%04d", i), Filler: 20000}.Write(t,d)} }
